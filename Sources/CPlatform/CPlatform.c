#define _GNU_SOURCE
#include "CPlatform.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

const uint64_t DROVER_RESOLVE_BENEATH = RESOLVE_BENEATH;
const uint64_t DROVER_RESOLVE_NO_SYMLINKS = RESOLVE_NO_SYMLINKS;
const uint64_t DROVER_RESOLVE_NO_MAGICLINKS = RESOLVE_NO_MAGICLINKS;
const uint64_t DROVER_RESOLVE_NO_XDEV = RESOLVE_NO_XDEV;
const int DROVER_O_PATH = O_PATH, DROVER_O_TMPFILE = O_TMPFILE, DROVER_O_NOATIME = O_NOATIME,
          DROVER_O_DIRECTORY = O_DIRECTORY, DROVER_O_NOFOLLOW = O_NOFOLLOW,
          DROVER_O_CLOEXEC = O_CLOEXEC, DROVER_O_DIRECT = O_DIRECT;
const int DROVER_AT_EMPTY_PATH = AT_EMPTY_PATH, DROVER_AT_SYMLINK_NOFOLLOW = AT_SYMLINK_NOFOLLOW,
          DROVER_AT_REMOVEDIR = AT_REMOVEDIR;
const unsigned DROVER_RENAME_NOREPLACE = RENAME_NOREPLACE, DROVER_RENAME_EXCHANGE = RENAME_EXCHANGE;

long drover_getdents64(int fd, void *buffer, size_t size) {
  return syscall(SYS_getdents64, fd, buffer, size);
}
int drover_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
  struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
  return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}
int drover_renameat2(int olddir, const char *old, int newdir, const char *new_, unsigned flags) {
  return (int)syscall(SYS_renameat2, olddir, old, newdir, new_, flags);
}
int drover_open_tmpfile(int dirfd, const char *path, int mode) {
  return openat(dirfd, path, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
}
int drover_unshare_fs(void) { return unshare(CLONE_FS); }

int drover_syncfs(int fd) { return syncfs(fd); }
int drover_fallocate_punch(int fd, int64_t offset, int64_t length) {
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}
int drover_fallocate_keep(int fd, int64_t offset, int64_t length) {
  return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length);
}
int64_t drover_seek_data(int fd, int64_t offset) { return lseek(fd, offset, SEEK_DATA); }
int64_t drover_seek_hole(int fd, int64_t offset) { return lseek(fd, offset, SEEK_HOLE); }
int drover_sync_file_range_start(int fd, int64_t offset, int64_t length) {
  return sync_file_range(fd, offset, length, SYNC_FILE_RANGE_WRITE);
}
int drover_fadvise_sequential(int fd) { return posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL); }
int drover_fadvise_dontneed(int fd, int64_t offset, int64_t length) {
  return posix_fadvise(fd, offset, length, POSIX_FADV_DONTNEED);
}
int drover_block_device_size(int fd, uint64_t *size) { return ioctl(fd, BLKGETSIZE64, size); }
int drover_block_zero(int fd, uint64_t offset, uint64_t length) {
  uint64_t range[2] = {offset, length};
  return ioctl(fd, BLKZEROOUT, range);
}
int drover_ficlone(int destination, int source) { return ioctl(destination, FICLONE, source); }

int drover_btrfs_create(int directory, const char *name) {
  struct btrfs_ioctl_vol_args arguments = {0};
  if (strlen(name) > 255) return errno = ENAMETOOLONG, -1;
  strcpy(arguments.name, name);
  return ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &arguments);
}
int drover_btrfs_snapshot(int directory, const char *name, int source) {
  struct btrfs_ioctl_vol_args_v2 arguments = {.fd = source};
  if (strlen(name) > 255) return errno = ENAMETOOLONG, -1;
  strcpy(arguments.name, name);
  return ioctl(directory, BTRFS_IOC_SNAP_CREATE_V2, &arguments);
}
int drover_btrfs_set_read_only(int subvolume, int on) {
  __u64 flags;
  if (ioctl(subvolume, BTRFS_IOC_SUBVOL_GETFLAGS, &flags) != 0) return -1;
  flags = on ? flags | BTRFS_SUBVOL_RDONLY : flags & ~(__u64)BTRFS_SUBVOL_RDONLY;
  return ioctl(subvolume, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
}
int drover_btrfs_destroy(int directory, const char *name) {
  struct btrfs_ioctl_vol_args arguments = {0};
  if (strlen(name) > 255) return errno = ENAMETOOLONG, -1;
  strcpy(arguments.name, name);
  return ioctl(directory, BTRFS_IOC_SNAP_DESTROY, &arguments);
}
int64_t drover_file_system_type(int fd) {
  struct statfs status;
  return fstatfs(fd, &status) == 0 ? (int64_t)(unsigned)status.f_type : -1;
}
int drover_is_mount_root(int fd) {
  struct statx status;
  if (statx(fd, "", AT_EMPTY_PATH, 0, &status) != 0) return 0;
  return (status.stx_attributes_mask & status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

ssize_t drover_llistxattr(const char *path, char *list, size_t size) {
  return llistxattr(path, list, size);
}
ssize_t drover_lgetxattr(const char *path, const char *name, void *value, size_t size) {
  return lgetxattr(path, name, value, size);
}
int drover_lsetxattr(const char *path, const char *name, const void *value, size_t size) {
  return lsetxattr(path, name, value, size, 0);
}
int drover_lremovexattr(const char *path, const char *name) { return lremovexattr(path, name); }
ssize_t drover_flistxattr(int fd, char *list, size_t size) { return flistxattr(fd, list, size); }
ssize_t drover_fgetxattr(int fd, const char *name, void *value, size_t size) {
  return fgetxattr(fd, name, value, size);
}
int drover_birth_time(int fd, int64_t *seconds, uint32_t *nanoseconds) {
  struct statx found;
  if (statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &found) != 0) return 0;
  if (!(found.stx_mask & STATX_BTIME)) return 0;
  *seconds = found.stx_btime.tv_sec;
  *nanoseconds = found.stx_btime.tv_nsec;
  return 1;
}
int drover_fsetxattr(int fd, const char *name, const void *value, size_t size) {
  return fsetxattr(fd, name, value, size, 0);
}
int drover_fremovexattr(int fd, const char *name) { return fremovexattr(fd, name); }

uint64_t drover_makedev(uint32_t major, uint32_t minor) { return makedev(major, minor); }
uint32_t drover_major(uint64_t device) { return major(device); }
uint32_t drover_minor(uint64_t device) { return minor(device); }

int64_t drover_tcp_receiver_limited(int socket) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return -1;
  // An older kernel fills less of the structure.
  if (size < offsetof(struct tcp_info, tcpi_rwnd_limited) + sizeof(uint64_t)) return -1;
  return (int64_t)info.tcpi_rwnd_limited;
}

int drover_set_parent_death_signal(int signal) { return prctl(PR_SET_PDEATHSIG, signal); }
int drover_set_not_dumpable(void) { return prctl(PR_SET_DUMPABLE, 0); }
int drover_pipe_cloexec(int fds[2]) { return pipe2(fds, O_CLOEXEC); }
int drover_wait_status_exited(int status) { return WIFEXITED(status); }
int drover_wait_status_code(int status) { return WEXITSTATUS(status); }
int drover_wait_status_signal(int status) { return WIFSIGNALED(status) ? WTERMSIG(status) : 0; }
int drover_set_thread_name(const char *name) { return pthread_setname_np(pthread_self(), name); }
int drover_gettid(void) { return gettid(); }
int64_t drover_thread_cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
int drover_terminal_columns(int fd) {
  struct winsize w;
  return ioctl(fd, TIOCGWINSZ, &w) == 0 ? w.ws_col : -1;
}
int drover_set_cloexec(int fd, int on) { return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); }
extern char **environ;
char *const *drover_environ(void) { return environ; }

int drover_send_descriptor(int socket, int fd) {
  char byte = 1;
  struct iovec piece = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
  struct cmsghdr *head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  *(int *)CMSG_DATA(head) = fd;
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -1;
}
int drover_receive_descriptor(int socket) {
  char byte;
  struct iovec piece = {.iov_base = &byte, .iov_len = 1};
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct msghdr message = {.msg_iov = &piece,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
  ssize_t count = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (count < 0) return -1;
  errno = count == 0 ? 0 : EBADMSG;
  struct cmsghdr *head = count == 0 ? NULL : CMSG_FIRSTHDR(&message);
  if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
      head->cmsg_len != CMSG_LEN(sizeof(int)))
    return -1;
  return *(int *)CMSG_DATA(head);
}
