// SPDX-License-Identifier: GPL-2.0-only
/* Messages, files and numbers. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "nf-bpf.h"

char last_failure[2 * PATH_MAX];

static bool to_syslog;

void use_syslog(void)
{
	openlog("nf-bpf", LOG_PID, LOG_DAEMON);
	to_syslog = true;
}

static void message(const char *prefix, const char *fmt, va_list args)
{
	if (to_syslog) {
		vsyslog(LOG_WARNING, fmt, args);
		return;
	}
	fflush(stdout);
	fprintf(stderr, "nf-bpf: %s", prefix);
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
}

int fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(last_failure, sizeof(last_failure), fmt, args);
	va_end(args);
	va_start(args, fmt);
	message("", fmt, args);
	va_end(args);

	return -1;
}

void warn(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	message("warning: ", fmt, args);
	va_end(args);
}

/* Print a message to standard output, unless the output is JSON. */
void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	if (to_syslog) {
		vsyslog(LOG_NOTICE, fmt, args);
	} else {
		vfprintf(options.json ? stderr : stdout, fmt, args);
		fputc('\n', options.json ? stderr : stdout);
	}
	va_end(args);
}

/* Tell whether standard output is the journal of systemd. */
static bool prints_into_journal(void)
{
	const char *journal = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return journal && sscanf(journal, "%llu:%llu", &dev, &ino) == 2 &&
	       !fstat(STDOUT_FILENO, &st) && st.st_dev == dev && st.st_ino == ino;
}

/* Do not use syslog(), which waits if the log does not read. */
void log_change(const char *fmt, ...)
{
	const struct sockaddr_un log = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	char text[1024], line[1200], user[64];
	va_list args;
	int fd;

	/* All messages are there. */
	if (to_syslog || prints_into_journal())
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	caller_name(user, sizeof(user));
	snprintf(line, sizeof(line), "<%d>nf-bpf[%d]: %s, by %s", LOG_DAEMON | LOG_NOTICE, getpid(),
		 text, user);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, line, strlen(line), MSG_NOSIGNAL, (const void *)&log, sizeof(log));
	close(fd);
}

void caller_name(char *buf, size_t size)
{
	const char *sudo = getenv("SUDO_USER");
	struct passwd *user = getpwuid(getuid());

	if (sudo && *sudo && !strpbrk(sudo, "\n="))
		snprintf(buf, size, "%s", sudo);
	else if (user)
		snprintf(buf, size, "%s", user->pw_name);
	else
		snprintf(buf, size, "uid %u", getuid());
}

static int read_all(int fd, struct blob *blob)
{
	size_t room = 0;
	ssize_t len;
	char *data;

	for (;;) {
		if (blob->len + 1 >= room) {
			room = room ? 2 * room : 65536;
			data = realloc(blob->data, room);
			if (!data)
				return -ENOMEM;
			blob->data = data;
		}
		len = read(fd, blob->data + blob->len, room - blob->len - 1);
		if (len < 0)
			return -errno;
		if (!len)
			break;
		blob->len += len;
	}
	/* End the data with 0, so that text can be used as a string. */
	blob->data[blob->len] = '\0';

	return 0;
}

int blob_read(const char *path, struct blob *blob)
{
	int fd, err;

	*blob = (struct blob){};
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = read_all(fd, blob);
	close(fd);
	if (err)
		blob_free(blob);

	return err;
}

static int write_all(int fd, const char *data, size_t len)
{
	ssize_t done;

	for (; len; data += done, len -= done) {
		done = write(fd, data, len);
		if (done < 0 && errno != EINTR)
			return -errno;
		if (done < 0)
			done = 0;
	}

	return fsync(fd) ? -errno : 0;
}

static void parent_of(char dir[PATH_MAX], const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(dir, PATH_MAX, ".");
	else if (slash == path)
		snprintf(dir, PATH_MAX, "/");
	else
		snprintf(dir, PATH_MAX, "%.*s", (int)(slash - path), path);
}

static int sync_parent(const char *path)
{
	char dir[PATH_MAX];

	parent_of(dir, path);

	return sync_dir(dir);
}

/* Do not follow a link that somebody else has put there. */
int blob_write(const char *path, const char *data, size_t len)
{
	char tmp[PATH_MAX];
	int fd, err;

	if (snprintf(tmp, sizeof(tmp), "%s~", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	close(fd);
	if (!err && rename(tmp, path))
		err = -errno;
	if (err)
		unlink(tmp);

	return err ?: sync_parent(path);
}

static int write_like(int fd, const struct blob *blob, const struct stat *like)
{
	if (fchown(fd, like->st_uid, like->st_gid) || fchmod(fd, like->st_mode & 07777))
		return -errno;

	return write_all(fd, blob->data, blob->len);
}

/* Put a complete file without a name in the place of @path. linkat() does not replace a file, so
 * the new one has the name @tmp until rename(). If @tmp exists, a process was killed there, or is
 * there now. Returns -EAGAIN if another process has taken @tmp away.
 */
static int put_unnamed(const char *path, const char *tmp, int fd)
{
	char self[32];
	int err;

	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	while (linkat(AT_FDCWD, self, AT_FDCWD, tmp, AT_SYMLINK_FOLLOW)) {
		if (errno != EEXIST || (unlink(tmp) && errno != ENOENT))
			return -errno;
	}
	if (!rename(tmp, path))
		return 0;
	err = errno == ENOENT ? -EAGAIN : -errno;
	unlink(tmp);

	return err;
}

/* While the file is written, it has no name. If this process is killed, nothing is left. */
static int publish_unnamed(const char *path, const char *tmp, const struct blob *blob,
			   const struct stat *like)
{
	char dir[PATH_MAX];
	int fd, err;

	parent_of(dir, path);
	do {
		fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		err = write_like(fd, blob, like) ?: put_unnamed(path, tmp, fd);
		close(fd);
	} while (err == -EAGAIN);

	return err;
}

/* Some file systems have no files without a name. */
static int publish_named(const char *path, const char *tmp, const struct blob *blob,
			 const struct stat *like)
{
	char name[PATH_MAX];
	int fd, err;

	if (snprintf(name, sizeof(name), "%s.XXXXXX", tmp) >= (int)sizeof(name))
		return -ENAMETOOLONG;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write_like(fd, blob, like);
	close(fd);
	if (!err && rename(name, path))
		err = -errno;
	if (err)
		unlink(name);

	return err;
}

/* There is no lock: each process has a file of its own until it is complete. */
int blob_publish(const char *path, const struct blob *blob, const struct stat *like)
{
	char tmp[PATH_MAX];
	int err;

	if (snprintf(tmp, sizeof(tmp), "%s.nf-bpf-new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	err = publish_unnamed(path, tmp, blob, like);
	if (err == -EOPNOTSUPP)
		err = publish_named(path, tmp, blob, like);

	return err ?: sync_parent(path);
}

bool blob_equal(const struct blob *a, const struct blob *b)
{
	return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

void blob_free(struct blob *blob)
{
	free(blob->data);
	*blob = (struct blob){};
}

int sync_dir(const char *path)
{
	int fd, err = 0;

	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd))
		err = -errno;
	close(fd);

	return err;
}

/* bpffs does not know fsync(), and needs none. */
static int make_dir(const char *path)
{
	if (!access(path, F_OK))
		return 0;
	if (mkdir(path, 0700))
		return errno == EEXIST ? 0 : -errno;
	sync_parent(path);

	return 0;
}

int make_dirs(const char *path)
{
	char buf[PATH_MAX];
	char *slash;
	int err;

	snprintf(buf, sizeof(buf), "%s", path);
	if (!access(buf, F_OK))
		return 0;
	for (slash = strchr(buf + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		err = make_dir(buf);
		if (err)
			return err;
		*slash = '/';
	}

	return make_dir(buf);
}

static void empty_dir(const char *path, int depth)
{
	struct dirent *entry;
	char child[PATH_MAX];
	DIR *dir;

	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(child))
			continue;
		if (unlink(child) && depth) {
			empty_dir(child, depth - 1);
			rmdir(child);
		}
	}
	closedir(dir);
}

void remove_dir(const char *path)
{
	empty_dir(path, 1);
	rmdir(path);
}

bool is_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	return *name && *name != '-' && strlen(name) <= MAX_POLICY_NAME &&
	       !name[strspn(name, letters)];
}

__u64 boot_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);

	return now.tv_sec;
}

int parse_number(const char *text, __u64 *number)
{
	int base = !strncasecmp(text, "0x", 2) ? 16 : 10;
	char *end;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	/* Do not use base 0: 0053 is a decimal number with leading zeros, not an octal number. */
	*number = strtoull(text, &end, base);

	return *end || errno ? -1 : 0;
}

int utf8_length(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	int len, i;

	if (at[0] < 0x80)
		return 1;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	len = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
	for (i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Longer than needed, a surrogate, or above the last character */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
		return 0;

	return len;
}
