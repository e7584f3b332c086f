// Linux calls that Swift cannot import: GNU-only names, variadic calls, and macros.
// Every wrapper keeps the C convention of the call behind it: a negative result and errno.
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

// Directories and paths
long drover_getdents64(int fd, void *buffer, size_t size);
int drover_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
int drover_renameat2(int olddir, const char *old, int newdir, const char *new_, unsigned flags);
int drover_open_tmpfile(int dirfd, const char *path, int mode);
int drover_unshare_fs(void);

extern const uint64_t DROVER_RESOLVE_BENEATH;
extern const uint64_t DROVER_RESOLVE_NO_SYMLINKS;
extern const uint64_t DROVER_RESOLVE_NO_MAGICLINKS;
extern const uint64_t DROVER_RESOLVE_NO_XDEV;
extern const int DROVER_O_PATH, DROVER_O_TMPFILE, DROVER_O_NOATIME, DROVER_O_DIRECTORY,
    DROVER_O_NOFOLLOW, DROVER_O_CLOEXEC, DROVER_O_DIRECT;
extern const int DROVER_AT_EMPTY_PATH, DROVER_AT_SYMLINK_NOFOLLOW, DROVER_AT_REMOVEDIR;
extern const unsigned DROVER_RENAME_NOREPLACE, DROVER_RENAME_EXCHANGE;

// Data
int drover_syncfs(int fd);
int drover_fallocate_punch(int fd, int64_t offset, int64_t length);
int drover_fallocate_keep(int fd, int64_t offset, int64_t length);
int64_t drover_seek_data(int fd, int64_t offset);
int64_t drover_seek_hole(int fd, int64_t offset);
int drover_sync_file_range_start(int fd, int64_t offset, int64_t length);
int drover_fadvise_sequential(int fd);
int drover_fadvise_dontneed(int fd, int64_t offset, int64_t length);
int drover_block_device_size(int fd, uint64_t *size);
int drover_block_zero(int fd, uint64_t offset, uint64_t length);
int drover_ficlone(int destination, int source);

// Subvolumes of btrfs, named in a directory, and what a file system is
int drover_btrfs_create(int directory, const char *name);
int drover_btrfs_snapshot(int directory, const char *name, int source);
int drover_btrfs_set_read_only(int subvolume, int on);
int drover_btrfs_destroy(int directory, const char *name);
/* The f_type of statfs; -1 on failure. */
int64_t drover_file_system_type(int fd);
/* 1 when fd is the root of a mount, 0 when not or not known. */
int drover_is_mount_root(int fd);

// Extended attributes, by descriptor or by a path that is not followed at its end
ssize_t drover_llistxattr(const char *path, char *list, size_t size);
ssize_t drover_lgetxattr(const char *path, const char *name, void *value, size_t size);
int drover_lsetxattr(const char *path, const char *name, const void *value, size_t size);
int drover_lremovexattr(const char *path, const char *name);
ssize_t drover_flistxattr(int fd, char *list, size_t size);
ssize_t drover_fgetxattr(int fd, const char *name, void *value, size_t size);
/* When a file was made (statx); 1 when the file system tells, else 0. */
int drover_birth_time(int fd, int64_t *seconds, uint32_t *nanoseconds);
int drover_fsetxattr(int fd, const char *name, const void *value, size_t size);
int drover_fremovexattr(int fd, const char *name);

// Device numbers
uint64_t drover_makedev(uint32_t major, uint32_t minor);
uint32_t drover_major(uint64_t device);
uint32_t drover_minor(uint64_t device);

// Microseconds that a TCP connection has waited for its receiver's window; -1 when not known
int64_t drover_tcp_receiver_limited(int socket);

// Processes
int drover_set_parent_death_signal(int signal);
int drover_set_not_dumpable(void);
int drover_pipe_cloexec(int fds[2]);
int drover_wait_status_exited(int status);
int drover_wait_status_code(int status);
int drover_wait_status_signal(int status);
int drover_set_thread_name(const char *name);
int drover_gettid(void);
int64_t drover_thread_cpu_ns(void);
int drover_terminal_columns(int fd);
int drover_set_cloexec(int fd, int on);
// Sends a descriptor with one byte over a socket of AF_UNIX, without waiting (SCM_RIGHTS).
int drover_send_descriptor(int socket, int fd);
// The next descriptor, closed on exec, without waiting; -1 with errno, with 0 at the end, with
// EBADMSG when a message held none.
int drover_receive_descriptor(int socket);
char *const *drover_environ(void);

#include "Spawn.h"
