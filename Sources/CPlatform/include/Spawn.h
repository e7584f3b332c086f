// Starting and watching child processes.
#pragma once
#include <sys/types.h>

// Starts `path` in a process group of its own with descriptors 0-4 taken from `fds` (-1: /dev/null)
// and every other one closed, all signals at their defaults and unblocked, and SIGKILL at the
// death of the calling *thread*. Returns the process id, or -1 with errno of the step that failed,
// exec included.
pid_t drover_spawn(const char *path, char *const argv[], char *const envp[], const int fds[5]);

// The same as another user, without any privilege of the caller's. `executable` is a descriptor
// that the caller has opened: the user need not be able to reach the file, but may execute it.
// `held` (-1: none) stays open in the program, which knows nothing of it.
struct drover_user {
  int executable, held;
  uid_t user;
  gid_t group;
  size_t group_count;
  const gid_t *groups;
};
pid_t drover_spawn_as(const struct drover_user *user, char *const argv[], char *const envp[],
                      const int fds[5]);

// A descriptor that becomes readable when the process has ended.
int drover_pidfd_open(pid_t pid);

// Limits the size of files that a process may write (prlimit, RLIMIT_FSIZE).
int drover_limit_file_size(pid_t pid, unsigned long long size);
int drover_set_nonblocking(int fd);
