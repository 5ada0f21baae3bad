#include "gitlab/html.h"

#include <gtest/gtest.h>

namespace slipway::gitlab {
namespace {

TEST(Html, EscapesWhatBelongsToTheMarkup) {
  EXPECT_EQ(escaped("<a href=\"x\" y='z'>&</a>"),
            "&lt;a href=&quot;x&quot; y=&#39;z&#39;&gt;&amp;&lt;/a&gt;");
}

TEST(Html, ShowsATrace) {
  struct Case {
    const char* trace;
    const char* html;
  };
  const Case cases[] = {
      {"plain\n", "plain\n"},
      {"no end", "no end"},
      {"<script>alert(1)</script>\n", "&lt;script&gt;alert(1)&lt;/script&gt;\n"},
      {"\x1b[32;1mok\x1b[0m done\n", "<span class=\"green bold\">ok</span> done\n"},
      {"\x1b[31ma\nb\x1b[m\n", "<span class=\"red\">a</span>\n<span class=\"red\">b</span>\n"},
      {"\x1b[31m<b>\x1b[0m", "<span class=\"red\">&lt;b&gt;</span>"},
      {"\x1b[0K\x1b[2Jx\x1b[1;2Hy\n", "xy\n"},
      {"\x1b]0;title\ax\n", "x\n"},
      {"\x1b[38;5;196mx\x1b[0m\n", "x\n"},
      {"10%\r50%\r100%\n", "100%\n"},
      {"dos\r\n", "dos\n"},
      {"a\nsection_start:100:build\r\x1b[0K\x1b[36mBuilding\x1b[0m\nx\n"
       "section_end:103:build\r\x1b[0K\nafter\n",
       "a\n<details open><summary><span class=\"cyan\">Building</span> <i>3 s</i></summary>x\n"
       "</details>after\n"},
      // As runners write it: one's end and the next one's begin in one line.
      {"section_start:1:a[collapsed=true]\r\x1b[0KA\nx\n"
       "section_end:1:a\r\x1b[0Ksection_start:1:b\r\x1b[0KB\ny\nsection_end:2:b\r\x1b[0K\n",
       "<details><summary>A <i>0 s</i></summary>x\n</details>"
       "<details open><summary>B <i>1 s</i></summary>y\n</details>"},
      {"section_start:1:a\rA\nsection_start:1:<b>\r\nx\nsection_end:3:a\r\n",
       "<details open><summary>A <i>2 s</i></summary>"
       "<details open><summary>x</summary></details></details>"},
      {"section_start:1:still\rruns\nx\n", "<details open><summary>runs</summary>x\n</details>"},
      {"section_end:1:never\r\nx\n", "x\n"},
      {"section_start:x:a\rA\n", "A\n"},
      {"\n\n", "\n\n"},
      {"bell\x07 nul\x01\n", "bell nul\n"},
      {"cut \x1b[3", "cut "},
      {"cut \x1b", "cut "},
  };
  for (const Case& each : cases) EXPECT_EQ(trace_html(each.trace), each.html) << each.trace;
}

TEST(Html, LetsNoCodeBecomeAnAttribute) {
  const std::string html = trace_html("\x1b[31\"onload=\"xm\x1b[99mt\x1b[m");
  EXPECT_EQ(html.find("onload=\"x"), std::string::npos) << html;
}

}  // namespace
}  // namespace slipway::gitlab
