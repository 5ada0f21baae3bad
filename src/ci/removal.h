#pragma once

// What goes: one pipeline, or all that CI knows of a project that the forge has no more.

#include "ci/workshop.h"

namespace slipway::ci {

// Ends the pipeline and removes it with its jobs; a task removes their files and its ref. A
// pipeline that is gone already is no error.
void remove_pipeline(const Workshop& workshop, const Pipeline& pipeline);

// Records that such a project's pipelines, schedules, triggers and variables are to go.
void record_removed(const Workshop& workshop, Id project);
// The same for every project that went without it: the process died in between.
void record_all_removed(const Workshop& workshop);
// Does a part of it and records the rest, so that other tasks get their turn.
void remove_some_of(const Workshop& workshop, Id project);

}  // namespace slipway::ci
