#include "forge/types.h"

namespace slipway::forge {

std::string_view text(Visibility visibility) {
  switch (visibility) {
    case Visibility::kPrivate:
      return "private";
    case Visibility::kInternal:
      return "internal";
    case Visibility::kPublic:
      return "public";
  }
  return "private";
}

std::optional<Visibility> visibility_of(std::string_view text) {
  if (text == "private") return Visibility::kPrivate;
  if (text == "internal") return Visibility::kInternal;
  if (text == "public") return Visibility::kPublic;
  return std::nullopt;
}

}  // namespace slipway::forge
