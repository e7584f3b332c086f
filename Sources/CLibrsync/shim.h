// Headers of librsync; the version string is an incomplete array, so an accessor stands here.
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <librsync.h>
static inline const char *drover_librsync_version(void) { return rs_librsync_version; }
