#include "ci_config/templates.h"

namespace slipway::ci_config {
namespace {

struct Template {
  std::string_view name;
  std::string_view text;
};

constexpr std::string_view kLint =
    R"(# Checks Python code with pylint. PYLINT_TARGETS names what is checked, PYLINT_OPTIONS adds options.
variables:
  PYLINT_TARGETS: "."
  PYLINT_OPTIONS: ""

lint:
  stage: test
  script:
    - python3 -m pip install --quiet pylint || true
    - |
      if [ "$PYLINT_TARGETS" = "." ]; then
        files=$(find . -name '*.py' -not -path './.*/*' -not -path './venv/*')
      else
        files=$PYLINT_TARGETS
      fi
      if [ -z "$files" ]; then
        echo "There is no Python code to check."
      else
        python3 -m pylint $PYLINT_OPTIONS $files
      fi
  rules:
    - if: $LINT_DISABLED == "true" || $LINT_DISABLED == "1"
      when: never
    - exists:
        - "**/*.py"
)";

constexpr std::string_view kTest =
    R"(# Runs a project's Python tests with pytest. PYTEST_OPTIONS adds options.
variables:
  PYTEST_OPTIONS: ""

test:
  stage: test
  script:
    - python3 -m pip install --quiet pytest || true
    - if [ -f requirements.txt ]; then python3 -m pip install --quiet -r requirements.txt; fi
    - python3 -m pytest --junitxml=report.xml $PYTEST_OPTIONS
  artifacts:
    when: always
    reports:
      junit: report.xml
  rules:
    - if: $TEST_DISABLED == "true" || $TEST_DISABLED == "1"
      when: never
    - exists:
        - "**/test_*.py"
        - "**/*_test.py"
)";

constexpr std::string_view kPython = R"(# Lint and tests of a Python project.
include:
  - template: Jobs/Lint.gitlab-ci.yml
  - template: Jobs/Test.gitlab-ci.yml
)";

constexpr std::string_view kBranches =
    R"(# Pipelines for branches and tags, none for merge requests.
workflow:
  rules:
    - if: $CI_COMMIT_TAG
    - if: $CI_COMMIT_BRANCH
)";

constexpr std::string_view kMergeRequests =
    R"(# Pipelines for merge requests, tags and the default branch.
workflow:
  rules:
    - if: $CI_MERGE_REQUEST_IID
    - if: $CI_COMMIT_TAG
    - if: $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH
)";

constexpr Template kTemplates[] = {
    {"Jobs/Lint.gitlab-ci.yml", kLint},
    {"Jobs/Test.gitlab-ci.yml", kTest},
    {"Python.gitlab-ci.yml", kPython},
    {"Workflows/Branch-Pipelines.gitlab-ci.yml", kBranches},
    {"Workflows/MergeRequest-Pipelines.gitlab-ci.yml", kMergeRequests},
};

}  // namespace

std::optional<std::string_view> find_template(std::string_view name) {
  for (const Template& one : kTemplates) {
    if (one.name == name) return one.text;
  }
  return std::nullopt;
}

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const Template& one : kTemplates) names.emplace_back(one.name);
  return names;
}

}  // namespace slipway::ci_config
