#include "airflow/command_line.h"

#include <map>

#include "airflow/rest.h"
#include "base/error.h"
#include "base/strings.h"

namespace slipway::airflow {
namespace {

// Positional words and options of one command.
struct Words {
  std::vector<std::string> positional;
  std::map<std::string, std::string> options;

  std::string option(const std::string& name, const std::string& otherwise = "") const {
    const auto found = options.find(name);
    return found == options.end() ? otherwise : found->second;
  }
  const std::string& at(std::size_t index, const char* what) const {
    if (index >= positional.size())
      throw Error("Usage", std::string("the following arguments are required: ") + what);
    return positional[index];
  }
};

std::string long_name(const std::string& word) {
  static const std::map<std::string, std::string> kShort{{"-c", "--conf"},
                                                         {"-r", "--run-id"},
                                                         {"--run_id", "--run-id"},
                                                         {"-e", "--exec-date"},
                                                         {"--execution-date", "--exec-date"},
                                                         {"--logical-date", "--exec-date"},
                                                         {"-o", "--output"},
                                                         {"-S", "--subdir"},
                                                         {"-v", "--verbose"},
                                                         {"-y", "--yes"},
                                                         {"-d", "--dag-id"},
                                                         {"-j", "--json"},
                                                         {"--dag_id", "--dag-id"}};
  const auto found = kShort.find(word);
  return found == kShort.end() ? word : found->second;
}

Words parse(const std::vector<std::string>& words, std::size_t from) {
  static const std::vector<std::string> kValued{"--conf",   "--run-id",      "--exec-date",
                                                "--output", "--dag-id",      "--state",
                                                "--subdir", "--description", "--default"};
  // They change nothing here.
  static const std::vector<std::string> kFlags{"--verbose",
                                               "--yes",
                                               "--no-backfill",
                                               "--replace-microseconds",
                                               "--no-replace-microseconds",
                                               "--treat-dag-id-as-regex",
                                               "--json"};
  Words result;
  for (std::size_t i = from; i < words.size(); ++i) {
    std::string word = words[i];
    if (!word.starts_with('-')) {
      result.positional.push_back(word);
      continue;
    }
    std::string value;
    const auto equals = word.find('=');
    const bool inline_value = word.starts_with("--") && equals != std::string::npos;
    if (inline_value) {
      value = word.substr(equals + 1);
      word.resize(equals);
    }
    word = long_name(word);
    const bool valued = std::find(kValued.begin(), kValued.end(), word) != kValued.end();
    if (!valued && std::find(kFlags.begin(), kFlags.end(), word) == kFlags.end())
      throw Error("Usage", "unrecognized arguments: " + word);
    if (valued && !inline_value) {
      if (i + 1 == words.size())
        throw Error("Usage", "argument " + word + ": expected one argument");
      value = words[++i];
    }
    result.options[word] = value;
  }
  return result;
}

std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "None";
  if (value.is_boolean()) return value.get<bool>() ? "True" : "False";
  return base::dump_json(value);
}

std::string shown(const Words& words, const std::vector<std::string>& heads,
                  const std::vector<Json>& objects) {
  if (words.option("--output") == "json") {
    Json list = Json::array();
    for (const Json& object : objects) {
      Json row = Json::object();
      for (const std::string& head : heads)
        row[head] = object.contains(head) ? Json(cell(object[head])) : Json("");
      list.push_back(std::move(row));
    }
    return base::dump_json(list) + "\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const Json& object : objects) {
    std::vector<std::string> row;
    for (const std::string& head : heads)
      row.push_back(object.contains(head) ? cell(object[head]) : "");
    rows.push_back(std::move(row));
  }
  return rows.empty() ? "No data found\n" : table(heads, rows);
}

class Commands {
 public:
  Commands(const std::string& account, const Workplace& place)
      : account_(account),
        runs_(place.runs),
        variables_(place.variables),
        pipelines_(place.pipelines) {}

  std::string trigger(const Words& words) {
    NewRun request;
    request.dag = words.at(0, "dag_id");
    request.id = words.option("--run-id");
    if (const std::string conf = words.option("--conf"); !conf.empty())
      request.conf = base::parse_json(conf, "--conf");
    if (const std::string date = words.option("--exec-date"); !date.empty()) {
      request.logical = base::parse_iso8601(date);
      if (!request.logical) throw Error("Usage", "argument --exec-date: not an ISO 8601 time");
    }
    const Json run = run_json(ApiVersion::kOne, runs_.trigger(account_, request));
    return shown(words,
                 {"conf", "dag_id", "dag_run_id", "data_interval_start", "data_interval_end",
                  "end_date", "external_trigger", "last_scheduling_decision", "logical_date",
                  "run_type", "start_date", "state"},
                 {run});
  }

  std::string list(const Words& words) {
    std::vector<Json> dags;
    for (const auto& dag : pipelines_.list(account_))
      dags.push_back({{"dag_id", dag.name},
                      {"fileloc", dag.arn},
                      {"owners", "slipway"},
                      {"is_paused", runs_.is_paused(account_, dag.name)}});
    return shown(words, {"dag_id", "fileloc", "owners", "is_paused"}, dags);
  }

  std::string list_runs(const Words& words) {
    std::string dag = words.option("--dag-id");
    if (dag.empty()) dag = words.at(0, "-d/--dag-id");
    require(dag);
    std::vector<Json> found;
    for (const Run& run : runs_.list(account_, dag, 100)) {
      Json json = run_json(ApiVersion::kOne, run);
      json["run_id"] = run.id;
      if (words.option("--state").empty() || words.option("--state") == run.status())
        found.push_back(std::move(json));
    }
    return shown(words, {"dag_id", "run_id", "state", "execution_date", "start_date", "end_date"},
                 found);
  }

  // By the run's logical date, as Airflow has it; also by its id.
  std::string state(const Words& words) {
    const std::string& dag = words.at(0, "dag_id");
    require(dag);
    const std::string& which = words.at(1, "execution_date");
    const auto date = base::parse_iso8601(which);
    for (const Run& run : runs_.list(account_, dag, 100))
      if (run.id == which || (date && run.logical == *date)) return run.status() + "\n";
    return "None\n";
  }

  std::string set_paused(const Words& words, bool paused) {
    const std::string& dag = words.at(0, "dag_id");
    require(dag);
    runs_.set_paused(account_, dag, paused);
    return std::string("Dag: ") + dag + ", paused: " + (paused ? "True" : "False") + "\n";
  }

  std::string tasks(const Words& words) {
    const auto dag = pipelines_.pipeline(account_, words.at(0, "dag_id"));
    if (!dag) throw Error("NotFound", "Dag id " + words.at(0, "dag_id") + " not found");
    std::string text;
    for (const std::string& step : dag->steps) text += step + "\n";
    return text;
  }

  std::string set_variable(const Words& words) {
    const Variable variable{words.at(0, "key"), words.at(1, "VALUE"),
                            words.option("--description")};
    variables_.set(account_, variable);
    return "Variable " + variable.key + " created\n";
  }

  std::string get_variable(const Words& words) {
    const std::string& key = words.at(0, "key");
    const auto found = variables_.find(account_, key);
    if (found) return found->value + "\n";
    for (const char* option : {"--default", "--dag-id"}) {  // "-d" is the short form of both
      if (words.options.contains(option)) return words.option(option) + "\n";
    }
    throw Error("NotFound", "Variable " + key + " does not exist");
  }

  std::string list_variables(const Words& words) {
    std::vector<Json> all;
    for (const Variable& variable : variables_.list(account_))
      all.push_back({{"key", variable.key}});
    return shown(words, {"key"}, all);
  }

  std::string delete_variable(const Words& words) {
    const std::string& key = words.at(0, "key");
    if (!variables_.remove(account_, key))
      throw Error("NotFound", "Variable " + key + " does not exist");
    return "Variable " + key + " deleted\n";
  }

 private:
  void require(const std::string& dag) {
    if (!pipelines_.pipeline(account_, dag))
      throw Error("NotFound", "Dag id " + dag + " not found");
  }

  const std::string& account_;
  Runs& runs_;
  Variables& variables_;
  pipelines::Pipelines& pipelines_;
};

std::string dispatch(const std::string& account, const std::vector<std::string>& words,
                     const Workplace& place) {
  if (words.empty()) throw Error("Usage", "no command");
  Commands commands(account, place);
  if (words[0] == "version") return place.version + "\n";
  if (words[0] == "trigger_dag") return commands.trigger(parse(words, 1));
  if (words[0] == "list_dags") return commands.list(parse(words, 1));
  if (words[0] == "pause" || words[0] == "unpause")
    return commands.set_paused(parse(words, 1), words[0] == "pause");
  const std::string name = words[0] + (words.size() > 1 ? " " + words[1] : "");
  const Words rest = parse(words, std::min<std::size_t>(2, words.size()));
  if (name == "dags trigger") return commands.trigger(rest);
  if (name == "dags list") return commands.list(rest);
  if (name == "dags list-runs") return commands.list_runs(rest);
  if (name == "dags state") return commands.state(rest);
  if (name == "dags pause" || name == "dags unpause")
    return commands.set_paused(rest, name == "dags pause");
  if (name == "tasks list") return commands.tasks(rest);
  if (name == "variables set") return commands.set_variable(rest);
  if (name == "variables get") return commands.get_variable(rest);
  if (name == "variables list") return commands.list_variables(rest);
  if (name == "variables delete") return commands.delete_variable(rest);
  throw Error("Usage",
              "airflow " + name +
                  " is not allowed here; allowed are: dags trigger, dags "
                  "list, dags list-runs, dags state, dags pause, dags unpause, tasks list, "
                  "variables set, variables get, variables list, variables delete, version");
}

}  // namespace

std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char letter = line[i];
    if (quote == '\'') {
      if (letter == quote)
        quote = 0;
      else
        word += letter;
    } else if (letter == '\\' && i + 1 < line.size() &&
               (quote == 0 || line[i + 1] == '"' || line[i + 1] == '\\')) {
      word += line[++i];
      in_word = true;
    } else if (quote == '"') {
      if (letter == quote)
        quote = 0;
      else
        word += letter;
    } else if (letter == '\'' || letter == '"') {
      quote = letter;
      in_word = true;
    } else if (std::isspace(static_cast<unsigned char>(letter)) != 0) {
      if (in_word) words.push_back(std::exchange(word, ""));
      in_word = false;
    } else {
      word += letter;
      in_word = true;
    }
  }
  if (quote != 0) throw Error("BadRequest", "No closing quotation");
  if (in_word) words.push_back(word);
  return words;
}

std::string table(const std::vector<std::string>& heads,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < heads.size(); ++column) {
    std::size_t width = heads[column].size();
    for (const auto& row : rows) width = std::max(width, row[column].size());
    widths.push_back(width);
  }
  const auto line = [&widths](const std::vector<std::string>& cells) {
    std::string text;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      std::string padded = cells[column];
      padded.resize(widths[column], ' ');
      text += (column == 0 ? "" : " | ") + padded;
    }
    return text + "\n";
  };
  std::string text = line(heads);
  for (std::size_t column = 0; column < heads.size(); ++column)
    text += (column == 0 ? "" : "=+=") + std::string(widths[column], '=');
  text += "\n";
  for (const auto& row : rows) text += line(row);
  return text;
}

CommandResult run_command(const std::string& account, std::string_view line,
                          const Workplace& place) {
  try {
    return {0, dispatch(account, shell_words(line), place), ""};
  } catch (const Error& error) {
    return {1, "", "airflow: " + error.message() + "\n"};
  }
}

}  // namespace slipway::airflow
