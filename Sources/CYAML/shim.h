// Headers of the system library; Swift sees them through the module map beside this file.
#pragma once
#include <yaml.h>
