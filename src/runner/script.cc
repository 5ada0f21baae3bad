#include "runner/script.h"

#include "base/strings.h"

namespace slipway::runner {
namespace {

constexpr std::string_view kGreen = "\x1b[32;1m";
constexpr std::string_view kReset = "\x1b[0;m";

bool is_identifier(std::string_view name) {
  if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '_') return false;
  }
  return true;
}

std::string print(std::string_view line) { return "printf '%s\\n' " + shell_word(line) + "\n"; }

std::string environment(const ScriptSpec& spec, std::map<std::string, std::string>& files) {
  std::string text;
  for (const ci::Variable& variable : spec.variables) {
    if (!is_identifier(variable.key)) continue;
    std::string value = variable.value;
    if (variable.file) {
      files[variable.key] = variable.value;
      value = spec.temporary + "/" + variable.key;
    }
    text += "export " + variable.key + "=" + shell_word(value) + "\n";
  }
  text += "export PATH=\"/opt/slipway/bin:$PATH\"\n";
  text += "export GITLAB_ENV=" + shell_word(spec.temporary + "/gitlab_runner_env") + "\n";
  // Lines that are not KEY=value are left out: an invalid name would end the shell.
  text +=
      "while IFS= read -r slipway_line || [ -n \"$slipway_line\" ]; do\n"
      "  case \"${slipway_line%%=*}\" in\n"
      "    \"$slipway_line\" | '' | [0-9]* | *[!A-Za-z0-9_]*) ;;\n"
      "    *) export \"$slipway_line\" ;;\n"
      "  esac\n"
      "done < \"$GITLAB_ENV\"\n"
      "unset slipway_line\n";
  return text;
}

std::string commands(const ScriptSpec& spec, const std::vector<std::string>& lines) {
  std::string text = ". " + shell_word(spec.temporary + "/environment.sh") + "\n";
  text +=
      "if (set -o pipefail) 2>/dev/null; then set -o pipefail; fi\nset -o errexit\nset +o "
      "noclobber\n";
  const std::string debug = ci_config::value_of(spec.variables, "CI_DEBUG_TRACE");
  if (debug == "true" || debug == "1") text += "set -o xtrace\n";
  text += "cd " + shell_word(spec.project) + "\n";
  for (const std::string& line : lines) {
    const std::string_view command = base::trim(line);
    if (command.empty()) {
      text += "echo\n";
      continue;
    }
    const std::size_t end = command.find('\n');
    std::string shown = std::string(kGreen) + "$ " + std::string(command.substr(0, end));
    if (end != std::string_view::npos) shown += " # collapsed multi-line command";
    text += print(shown + std::string(kReset));
    text += command;
    text += '\n';
  }
  return text;
}

std::string section(std::string_view which, std::string_view name, std::string_view rest) {
  return "printf '\\033[0Ksection_" + std::string(which) + ":%s:" + std::string(name) +
         "\\r\\033[0K%s\\n' \"$(now)\" " + shell_word(rest) + "\n";
}

std::string title(std::string_view text) {
  return "\x1b[0K\x1b[36;1m" + std::string(text) + std::string(kReset);
}

// What runs after the script, with its own shell, time and status.
std::string after_part(const ScriptSpec& spec) {
  const std::string seconds = std::to_string(spec.after_timeout.count());
  return "if [ -z \"$stopped\" ] || [ -e \"$files/.canceled\" ]; then\n"
         "  stopped=after\n"
         "  status=success\n"
         "  [ \"$code\" -eq 0 ] || status=failed\n"
         "  [ ! -e \"$files/.canceled\" ] || status=canceled\n" +
         section("start", "after_script", title("Running after_script")) +
         print("Running after script...") +
         "  CI_AFTER_STATUS=\"$status\" \"$shell\" \"$files/after.sh\" </dev/null &\n"
         "  child=$!\n"
         "  ( sleep " +
         seconds +
         "; : > \"$files/.late\"; kill -s KILL -- -1 ) &\n"
         "  timer=$!\n"
         "  wait \"$child\"\n"
         "  after=$?\n"
         "  kill \"$timer\" 2>/dev/null\n"
         "  if [ -e \"$files/.late\" ]; then\n"
         "    echo 'WARNING: after_script failed, but job will continue unaffected: context "
         "deadline exceeded'\n"
         "  elif [ \"$after\" -ne 0 ]; then\n"
         "    if [ -e \"$files/.after-counts\" ] && [ \"$code\" -eq 0 ]; then\n"
         "      code=$after; record\n"
         "    else\n"
         "      echo \"WARNING: after_script failed, but job will continue unaffected: exit code "
         "$after\"\n"
         "    fi\n"
         "  fi\n" +
         section("end", "after_script", "") + "fi\n";
}

std::string driver(const ScriptSpec& spec) {
  std::string text =
      "shell=$1\n"
      "files=" +
      shell_word(spec.temporary) +
      "\n"
      "stopped=\n"
      "stop() {\n"
      "  [ -z \"$stopped\" ] || return 0\n"
      "  stopped=script\n"
      "  kill -s TERM -- -1\n"
      "  ( sleep 5; kill -s KILL -- -1 ) &\n"
      "}\n"
      "record() { printf '%s' \"$code\" > \"$files/.exit.new\"; mv -f \"$files/.exit.new\" "
      "\"$files/.exit\"; }\n"
      "trap stop TERM\n"
      // Bash can tell the time without a process.
      "if [ -n \"$BASH_VERSION\" ]; then\n"
      "  now() { printf '%(%s)T' -1; }\n"
      "else\n"
      "  now() { date +%s; }\n"
      "fi\n";
  text +=
      section("start", "step_script", title("Executing \"step_script\" stage of the job script"));
  text +=
      "\"$shell\" \"$files/script.sh\" </dev/null &\n"
      "child=$!\n"
      "wait \"$child\"\n"
      "code=$?\n"
      // A signal interrupts the wait; the script is waited for again, so that it can end well.
      "if [ -n \"$stopped\" ]; then wait \"$child\"; kill -s KILL -- -1 2>/dev/null; fi\n"
      "record\n";
  text += section("end", "step_script", "");
  if (!spec.after_script.empty()) text += after_part(spec);
  text += "exit \"$code\"\n";
  return text;
}

}  // namespace

std::string shell_word(std::string_view text) {
  return "'" + base::replace_all(std::string(text), "'", "'\\''") + "'";
}

std::map<std::string, std::string> make_scripts(const ScriptSpec& spec) {
  std::map<std::string, std::string> files;
  files["gitlab_runner_env"] = "";
  files["environment.sh"] = environment(spec, files);
  files["script.sh"] = commands(spec, spec.script);
  if (!spec.after_script.empty()) {
    // After the environment, so that it counts.
    std::string after = commands(spec, spec.after_script);
    after.insert(after.find('\n') + 1, "export CI_JOB_STATUS=\"$CI_AFTER_STATUS\"\n");
    files["after.sh"] = std::move(after);
    const std::string ignore =
        ci_config::value_of(spec.variables, "AFTER_SCRIPT_IGNORE_ERRORS", "true");
    if (ignore == "false" || ignore == "0") files[".after-counts"] = "";
  }
  files["driver.sh"] = driver(spec);
  return files;
}

std::vector<std::string> driver_command(const std::string& temporary) {
  const std::string script = shell_word(temporary + "/driver.sh");
  return {"sh", "-c",
          "for shell in /usr/local/bin/bash /usr/bin/bash /bin/bash; do "
          "[ -x \"$shell\" ] && exec \"$shell\" " +
              script + " \"$shell\"; done; exec sh " + script + " sh"};
}

std::string section_start(std::string_view name, std::string_view text, std::int64_t now_seconds) {
  return "\x1b[0Ksection_start:" + std::to_string(now_seconds) + ":" + std::string(name) +
         "\r\x1b[0K" + title(text) + "\n";
}

std::string section_end(std::string_view name, std::int64_t now_seconds) {
  return "\x1b[0Ksection_end:" + std::to_string(now_seconds) + ":" + std::string(name) +
         "\r\x1b[0K\n";
}

}  // namespace slipway::runner
