#define _GNU_SOURCE
#include "Spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FIRST_FREE = 5, REPORT = FIRST_FREE, EXECUTABLE, HELD };

// The kernel's calls, of this thread alone: glibc's would look for other threads.
static int become_user(const struct drover_user *user) {
  if (syscall(SYS_setgroups, user->group_count, user->groups) != 0) return -1;
  if (syscall(SYS_setresgid, user->group, user->group, user->group) != 0) return -1;
  return (int)syscall(SYS_setresuid, user->user, user->user, user->user);
}

// Runs between fork and exec: async-signal-safe calls only. Returns with errno set when a step
// failed.
static void become_child(const char *path, char *const argv[], char *const envp[], const int fds[5],
                         int *report, pid_t parent, const struct drover_user *user) {
  if (setpgid(0, 0) != 0) return;
  // A change of user forgets the signal that follows.
  if (user != NULL && become_user(user) != 0) return;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (getppid() != parent) {
    errno = ESRCH;
    return;
  }
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);

  // First out of the way of 0-5, then into place, so that no source is overwritten before it is
  // used.
  int moved[5], null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null_fd < 0) return;
  for (int i = 0; i < 5; i++) {
    moved[i] = fcntl(fds[i] < 0 ? null_fd : fds[i], F_DUPFD_CLOEXEC, FIRST_FREE + 1);
    if (moved[i] < 0) return;
  }
  int executable = -1, held = -1;
  if (user != NULL) {
    executable = fcntl(user->executable, F_DUPFD_CLOEXEC, HELD + 1);
    if (executable < 0) return;
    if (user->held >= 0 && (held = fcntl(user->held, F_DUPFD_CLOEXEC, HELD + 1)) < 0) return;
  }
  int high = fcntl(*report, F_DUPFD_CLOEXEC, FIRST_FREE + 1);
  if (high < 0 || dup3(high, REPORT, O_CLOEXEC) < 0) return;
  *report = REPORT;
  for (int i = 0; i < 5; i++)
    if (dup2(moved[i], i) < 0) return;
  int first_closed = EXECUTABLE;
  if (user != NULL) {
    if (dup3(executable, EXECUTABLE, O_CLOEXEC) < 0) return;
    first_closed = HELD;
    if (held >= 0) {
      if (dup2(held, HELD) < 0) return;
      first_closed = HELD + 1;
    }
  }
  if (syscall(SYS_close_range, first_closed, ~0U, 0) != 0) {
    long limit = sysconf(_SC_OPEN_MAX);
    for (int fd = first_closed; fd < limit; fd++) close(fd);
  }
  sigset_t none;
  sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) return;
  if (user != NULL)
    syscall(SYS_execveat, EXECUTABLE, "", argv, envp, AT_EMPTY_PATH);
  else
    execve(path, argv, envp);
}

static pid_t spawn(const char *path, char *const argv[], char *const envp[], const int fds[5],
                   const struct drover_user *user) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return -1;
  // No handler of the parent may run in the child before its signals are at their defaults.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    int report = pipe_fds[1];
    become_child(path, argv, envp, fds, &report, parent, user);
    int code = errno;
    _exit(write(report, &code, sizeof code) < 0 ? 126 : 127);
  }
  int fork_errno = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(pipe_fds[1]);
  if (pid < 0) {
    close(pipe_fds[0]);
    errno = fork_errno;
    return -1;
  }
  int code = 0;
  ssize_t count;
  do count = read(pipe_fds[0], &code, sizeof code);
  while (count < 0 && errno == EINTR);
  close(pipe_fds[0]);
  if (count == 0) return pid;
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
  errno = count == sizeof code ? code : EIO;
  return -1;
}

pid_t drover_spawn(const char *path, char *const argv[], char *const envp[], const int fds[5]) {
  return spawn(path, argv, envp, fds, NULL);
}

pid_t drover_spawn_as(const struct drover_user *user, char *const argv[], char *const envp[],
                      const int fds[5]) {
  return spawn(NULL, argv, envp, fds, user);
}

int drover_limit_file_size(pid_t pid, unsigned long long size) {
  struct rlimit limit = {size, size};
  return prlimit(pid, RLIMIT_FSIZE, &limit, NULL);
}

int drover_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int drover_set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}
