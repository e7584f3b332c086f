// Starting and watching child processes.
#pragma once
#include <sys/types.h>

// Starts `path` in a process group of its own with descriptors 0-4 taken from `fds` (-1: /dev/null)
// and every other one closed, all signals at their defaults and unblocked, and SIGKILL at the
// death of the calling *thread*. Returns the process id, or -1 with errno of the step that failed,
// exec included.
pid_t drover_spawn(const char *path, char *const argv[], char *const envp[], const int fds[5]);

// A descriptor that becomes readable when the process has ended.
int drover_pidfd_open(pid_t pid);

// Limits the size of files that a process may write (prlimit, RLIMIT_FSIZE).
int drover_limit_file_size(pid_t pid, unsigned long long size);
int drover_set_nonblocking(int fd);
