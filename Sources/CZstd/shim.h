// Headers of the system library; Swift sees them through the module map beside this file.
#pragma once
#include <zstd.h>
#include <zstd_errors.h>
