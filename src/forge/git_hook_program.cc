#include "forge/git_hook_program.h"

// SLIPWAY_GIT_HOOK is the path of the program that the build has made.
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl slipway_git_hook_begin\n"
    "slipway_git_hook_begin:\n"
    ".incbin \"" SLIPWAY_GIT_HOOK
    "\"\n"
    ".globl slipway_git_hook_end\n"
    "slipway_git_hook_end:\n"
    ".previous\n");

extern "C" const char slipway_git_hook_begin[];
extern "C" const char slipway_git_hook_end[];

namespace slipway::forge {

std::string_view git_hook_program() {
  return {slipway_git_hook_begin,
          static_cast<std::size_t>(slipway_git_hook_end - slipway_git_hook_begin)};
}

}  // namespace slipway::forge
