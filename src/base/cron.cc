#include "base/cron.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <chrono>
#include <utility>
#include <vector>

#include <date/tz.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::base {
namespace {

using Set = std::bitset<64>;
using LocalMinutes = date::local_time<std::chrono::minutes>;

constexpr int kLongestSearch = 4 * 366 + 2;  // days
constexpr std::size_t kHours = 24;

struct FieldRule {
  const char* name;
  int least;
  int most;
};
constexpr FieldRule kMinute{"minute", 0, 59};
constexpr FieldRule kHour{"hour", 0, 23};
constexpr FieldRule kDayOfMonth{"day of month", 1, 31};
constexpr FieldRule kMonth{"month", 1, 12};
constexpr FieldRule kDayOfWeek{"day of week", 0, 7};

constexpr std::array kMonths{"jan", "feb", "mar", "apr", "may", "jun",
                             "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array kDays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kShorthands{{
    {"@hourly", "0 * * * *"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},
    {"@monthly", "0 0 1 * *"},
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@noon", "0 12 * * *"},
}};

// Names of Rails' ActiveSupport::TimeZone, which GitLab's clients send, as IANA's.
constexpr std::pair<std::string_view, std::string_view> kRailsZones[] = {
    {"International Date Line West", "Etc/GMT+12"},
    {"Midway Island", "Pacific/Midway"},
    {"American Samoa", "Pacific/Pago_Pago"},
    {"Hawaii", "Pacific/Honolulu"},
    {"Alaska", "America/Juneau"},
    {"Pacific Time (US & Canada)", "America/Los_Angeles"},
    {"Tijuana", "America/Tijuana"},
    {"Mountain Time (US & Canada)", "America/Denver"},
    {"Arizona", "America/Phoenix"},
    {"Chihuahua", "America/Chihuahua"},
    {"Mazatlan", "America/Mazatlan"},
    {"Central Time (US & Canada)", "America/Chicago"},
    {"Saskatchewan", "America/Regina"},
    {"Guadalajara", "America/Mexico_City"},
    {"Mexico City", "America/Mexico_City"},
    {"Monterrey", "America/Monterrey"},
    {"Central America", "America/Guatemala"},
    {"Eastern Time (US & Canada)", "America/New_York"},
    {"Indiana (East)", "America/Indiana/Indianapolis"},
    {"Bogota", "America/Bogota"},
    {"Lima", "America/Lima"},
    {"Quito", "America/Lima"},
    {"Atlantic Time (Canada)", "America/Halifax"},
    {"Caracas", "America/Caracas"},
    {"La Paz", "America/La_Paz"},
    {"Santiago", "America/Santiago"},
    {"Asuncion", "America/Asuncion"},
    {"Newfoundland", "America/St_Johns"},
    {"Brasilia", "America/Sao_Paulo"},
    {"Buenos Aires", "America/Argentina/Buenos_Aires"},
    {"Montevideo", "America/Montevideo"},
    {"Georgetown", "America/Guyana"},
    {"Puerto Rico", "America/Puerto_Rico"},
    {"Greenland", "America/Godthab"},
    {"Mid-Atlantic", "Atlantic/South_Georgia"},
    {"Azores", "Atlantic/Azores"},
    {"Cape Verde Is.", "Atlantic/Cape_Verde"},
    {"Dublin", "Europe/Dublin"},
    {"Edinburgh", "Europe/London"},
    {"Lisbon", "Europe/Lisbon"},
    {"London", "Europe/London"},
    {"Casablanca", "Africa/Casablanca"},
    {"Monrovia", "Africa/Monrovia"},
    {"Belgrade", "Europe/Belgrade"},
    {"Bratislava", "Europe/Bratislava"},
    {"Budapest", "Europe/Budapest"},
    {"Ljubljana", "Europe/Ljubljana"},
    {"Prague", "Europe/Prague"},
    {"Sarajevo", "Europe/Sarajevo"},
    {"Skopje", "Europe/Skopje"},
    {"Warsaw", "Europe/Warsaw"},
    {"Zagreb", "Europe/Zagreb"},
    {"Brussels", "Europe/Brussels"},
    {"Copenhagen", "Europe/Copenhagen"},
    {"Madrid", "Europe/Madrid"},
    {"Paris", "Europe/Paris"},
    {"Amsterdam", "Europe/Amsterdam"},
    {"Berlin", "Europe/Berlin"},
    {"Bern", "Europe/Zurich"},
    {"Zurich", "Europe/Zurich"},
    {"Rome", "Europe/Rome"},
    {"Stockholm", "Europe/Stockholm"},
    {"Vienna", "Europe/Vienna"},
    {"West Central Africa", "Africa/Algiers"},
    {"Bucharest", "Europe/Bucharest"},
    {"Cairo", "Africa/Cairo"},
    {"Helsinki", "Europe/Helsinki"},
    {"Kyiv", "Europe/Kiev"},
    {"Riga", "Europe/Riga"},
    {"Sofia", "Europe/Sofia"},
    {"Tallinn", "Europe/Tallinn"},
    {"Vilnius", "Europe/Vilnius"},
    {"Athens", "Europe/Athens"},
    {"Istanbul", "Europe/Istanbul"},
    {"Minsk", "Europe/Minsk"},
    {"Jerusalem", "Asia/Jerusalem"},
    {"Harare", "Africa/Harare"},
    {"Pretoria", "Africa/Johannesburg"},
    {"Kaliningrad", "Europe/Kaliningrad"},
    {"Moscow", "Europe/Moscow"},
    {"St. Petersburg", "Europe/Moscow"},
    {"Volgograd", "Europe/Volgograd"},
    {"Samara", "Europe/Samara"},
    {"Kuwait", "Asia/Kuwait"},
    {"Riyadh", "Asia/Riyadh"},
    {"Nairobi", "Africa/Nairobi"},
    {"Baghdad", "Asia/Baghdad"},
    {"Tehran", "Asia/Tehran"},
    {"Abu Dhabi", "Asia/Muscat"},
    {"Muscat", "Asia/Muscat"},
    {"Baku", "Asia/Baku"},
    {"Tbilisi", "Asia/Tbilisi"},
    {"Yerevan", "Asia/Yerevan"},
    {"Kabul", "Asia/Kabul"},
    {"Ekaterinburg", "Asia/Yekaterinburg"},
    {"Islamabad", "Asia/Karachi"},
    {"Karachi", "Asia/Karachi"},
    {"Tashkent", "Asia/Tashkent"},
    {"Chennai", "Asia/Kolkata"},
    {"Kolkata", "Asia/Kolkata"},
    {"Mumbai", "Asia/Kolkata"},
    {"New Delhi", "Asia/Kolkata"},
    {"Kathmandu", "Asia/Kathmandu"},
    {"Dhaka", "Asia/Dhaka"},
    {"Sri Jayawardenepura", "Asia/Colombo"},
    {"Almaty", "Asia/Almaty"},
    {"Astana", "Asia/Almaty"},
    {"Novosibirsk", "Asia/Novosibirsk"},
    {"Rangoon", "Asia/Rangoon"},
    {"Bangkok", "Asia/Bangkok"},
    {"Hanoi", "Asia/Bangkok"},
    {"Jakarta", "Asia/Jakarta"},
    {"Krasnoyarsk", "Asia/Krasnoyarsk"},
    {"Beijing", "Asia/Shanghai"},
    {"Chongqing", "Asia/Chongqing"},
    {"Hong Kong", "Asia/Hong_Kong"},
    {"Urumqi", "Asia/Urumqi"},
    {"Kuala Lumpur", "Asia/Kuala_Lumpur"},
    {"Singapore", "Asia/Singapore"},
    {"Taipei", "Asia/Taipei"},
    {"Perth", "Australia/Perth"},
    {"Irkutsk", "Asia/Irkutsk"},
    {"Ulaanbaatar", "Asia/Ulaanbaatar"},
    {"Seoul", "Asia/Seoul"},
    {"Osaka", "Asia/Tokyo"},
    {"Sapporo", "Asia/Tokyo"},
    {"Tokyo", "Asia/Tokyo"},
    {"Yakutsk", "Asia/Yakutsk"},
    {"Darwin", "Australia/Darwin"},
    {"Adelaide", "Australia/Adelaide"},
    {"Canberra", "Australia/Canberra"},
    {"Melbourne", "Australia/Melbourne"},
    {"Sydney", "Australia/Sydney"},
    {"Brisbane", "Australia/Brisbane"},
    {"Hobart", "Australia/Hobart"},
    {"Vladivostok", "Asia/Vladivostok"},
    {"Guam", "Pacific/Guam"},
    {"Port Moresby", "Pacific/Port_Moresby"},
    {"Magadan", "Asia/Magadan"},
    {"Srednekolymsk", "Asia/Srednekolymsk"},
    {"Solomon Is.", "Pacific/Guadalcanal"},
    {"New Caledonia", "Pacific/Noumea"},
    {"Fiji", "Pacific/Fiji"},
    {"Kamchatka", "Asia/Kamchatka"},
    {"Marshall Is.", "Pacific/Majuro"},
    {"Auckland", "Pacific/Auckland"},
    {"Wellington", "Pacific/Auckland"},
    {"Nuku'alofa", "Pacific/Tongatapu"},
    {"Tokelau Is.", "Pacific/Fakaofo"},
    {"Chatham Is.", "Pacific/Chatham"},
    {"Samoa", "Pacific/Apia"},
};

[[noreturn]] void invalid(const FieldRule& rule, const std::string& text) {
  throw Error("InvalidCron",
              std::string("the ") + rule.name + " '" + text + "' is not valid in a cron schedule");
}

int value_in(const FieldRule& rule, const std::string& text) {
  if (const auto number = parse_integer(text)) {
    if (*number < rule.least || *number > rule.most) invalid(rule, text);
    return static_cast<int>(*number);
  }
  const std::string word = lower(text);
  const auto find = [&](const auto& names, int first) {
    const auto found = std::find(names.begin(), names.end(), word);
    return found == names.end() ? -1 : static_cast<int>(found - names.begin()) + first;
  };
  int value = -1;
  if (rule.name == kMonth.name) value = find(kMonths, 1);
  if (rule.name == kDayOfWeek.name) value = find(kDays, 0);
  if (value < 0) invalid(rule, text);
  return value;
}

// "*", "5", "1-5", each with "/step", in a list.
Set set_of(const FieldRule& rule, const std::string& field) {
  Set set;
  for (const std::string& item : split(field, ',')) {
    const std::size_t slash = item.find('/');
    const std::string range = item.substr(0, slash);
    int step = 1;
    if (slash != std::string::npos) {
      const auto given = parse_integer(item.substr(slash + 1));
      if (!given || *given < 1 || *given > rule.most) invalid(rule, item);
      step = static_cast<int>(*given);
    }
    int first = rule.least;
    int last = rule.most;
    if (range != "*") {
      const std::size_t dash = range.find('-');
      first = value_in(rule, range.substr(0, dash));
      if (dash != std::string::npos) {
        last = value_in(rule, range.substr(dash + 1));
        const bool to_sunday = rule.name == kDayOfWeek.name && last == 0;
        if (to_sunday && first > 0) last = 7;
      } else if (slash == std::string::npos) {
        last = first;
      }
      if (first > last) invalid(rule, item);
    }
    for (int value = first; value <= last; value += step) {
      set.set(static_cast<std::size_t>(value));
    }
  }
  if (rule.name == kDayOfWeek.name && set[7]) set.set(0);
  return set;
}

const date::time_zone* zone_named(std::string_view name) {
  if (name.empty() || name == "UTC" || name == "Etc/UTC") return nullptr;
  for (const auto& [rails, iana] : kRailsZones) {
    if (rails == name) name = iana;
  }
  try {
    return date::locate_zone(std::string(name));
  } catch (const std::exception&) {
    throw Error("InvalidCron", "the time zone '" + std::string(name) + "' is not known");
  }
}

}  // namespace

struct Cron::Fields {
  Set minutes, hours, days, months, weekdays;
  // A field that begins with "*" restricts nothing of its own: both must fit then.
  bool any_day = false;
  bool any_weekday = false;
  bool every_hour = false;
  const date::time_zone* zone = nullptr;  // null: UTC

  bool fits(date::local_days day) const {
    const date::year_month_day on(day);
    if (!months[static_cast<unsigned>(on.month())]) return false;
    const bool by_day = days[static_cast<unsigned>(on.day())];
    const bool by_weekday = weekdays[date::weekday(day).c_encoding()];
    return any_day || any_weekday ? by_day && by_weekday : by_day || by_weekday;
  }

  LocalMinutes local_of(date::sys_time<std::chrono::minutes> moment) const {
    if (zone == nullptr) return LocalMinutes(moment.time_since_epoch());
    return date::floor<std::chrono::minutes>(zone->to_local(moment));
  }

  // By the time that passes, minute by minute in the hours of days that fit.
  std::optional<Millis> next_of_every_hour(date::sys_time<std::chrono::milliseconds> after) const {
    const auto first = date::floor<std::chrono::hours>(after);
    for (std::size_t hour = 0; hour < kLongestSearch * kHours; ++hour) {
      const date::sys_time<std::chrono::minutes> start = first + std::chrono::hours(hour);
      const auto day_of = [&](auto moment) { return date::floor<date::days>(local_of(moment)); };
      if (!fits(day_of(start)) && !fits(day_of(start + std::chrono::minutes(59)))) continue;
      for (int minute = 0; minute < 60; ++minute) {
        const auto moment = start + std::chrono::minutes(minute);
        const LocalMinutes local = local_of(moment);
        const date::local_days day = date::floor<date::days>(local);
        const auto of_hour = static_cast<std::size_t>((local - day).count() % 60);
        if (moment > after && minutes[of_hour] && fits(day)) return to_millis(moment);
      }
    }
    return std::nullopt;
  }

  Millis at(LocalMinutes local) const {
    if (zone == nullptr)
      return to_millis(date::sys_time<std::chrono::minutes>(local.time_since_epoch()));
    const date::local_info info = zone->get_info(local);
    // In a gap: where the clocks have been moved. Twice: the first time.
    if (info.result == date::local_info::nonexistent) return to_millis(info.second.begin);
    return to_millis(
        date::sys_time<std::chrono::seconds>(local.time_since_epoch() - info.first.offset));
  }

  template <class Time>
  static Millis to_millis(Time time) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  }
};

Cron::Cron(std::string_view expression, std::string_view time_zone) {
  std::string text(trim(expression));
  for (const auto& [name, means] : kShorthands) {
    if (equals_ignoring_case(text, name)) text = means;
  }
  std::vector<std::string> parts;
  for (const std::string& part : split(replace_all(text, "\t", " "), ' ')) {
    if (!part.empty()) parts.push_back(part);
  }
  if (parts.size() != 5) {
    throw Error("InvalidCron", "a cron schedule has five fields, '" + std::string(expression) +
                                   "' has " + std::to_string(parts.size()));
  }
  auto fields = std::make_shared<Fields>();
  fields->minutes = set_of(kMinute, parts[0]);
  fields->hours = set_of(kHour, parts[1]);
  fields->days = set_of(kDayOfMonth, parts[2]);
  fields->months = set_of(kMonth, parts[3]);
  fields->weekdays = set_of(kDayOfWeek, parts[4]);
  fields->every_hour = fields->hours.count() == kHours;
  fields->any_day = parts[2].starts_with('*');
  fields->any_weekday = parts[4].starts_with('*');
  fields->zone = zone_named(time_zone);
  fields_ = std::move(fields);
}

std::optional<Millis> Cron::next_after(Millis after) const {
  const date::sys_time<std::chrono::milliseconds> moment{std::chrono::milliseconds(after)};
  if (fields_->every_hour) return fields_->next_of_every_hour(moment);
  const auto local = fields_->zone == nullptr
                         ? date::local_time<std::chrono::milliseconds>(moment.time_since_epoch())
                         : fields_->zone->to_local(moment);
  // Local times in their order give moments in their order. The day before is looked at too:
  // after the clocks have been set back over midnight it is still to come.
  const date::local_days today = date::floor<date::days>(local);
  const auto passed = local - std::chrono::hours(25);
  for (int offset = -1; offset < kLongestSearch; ++offset) {
    const date::local_days day = today + date::days(offset);
    if (!fields_->fits(day)) continue;
    for (int hour = 0; hour < 24; ++hour) {
      if (!fields_->hours[static_cast<std::size_t>(hour)]) continue;
      for (int minute = 0; minute < 60; ++minute) {
        if (!fields_->minutes[static_cast<std::size_t>(minute)]) continue;
        const LocalMinutes candidate =
            day + std::chrono::hours(hour) + std::chrono::minutes(minute);
        if (candidate < passed) continue;
        const Millis at = fields_->at(candidate);
        if (at > after) return at;
      }
    }
  }
  return std::nullopt;
}

}  // namespace slipway::base
