/* The benchmark's application: one thread, epoll, many requests at once on each connection, every
 * answer twelve bytes long. It does as little as an application can, so that what is measured is the
 * proxy. It answers FCGI_GET_VALUES with FCGI_MPXS_CONNS=1. Argument: the unix socket's path.
 *
 * Records are read in place from a connection's input; what is answered in one turn leaves in one
 * write. It trusts its peer: this is no server for anything but the benchmark. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
  BEGIN_REQUEST = 1,
  END_REQUEST = 3,
  STDIN = 5,
  STDOUT = 6,
  GET_VALUES = 9,
  GET_VALUES_RESULT = 10,
  HEADER_LENGTH = 8,
  KEEP_CONN = 1,
  IDS = 65536,
  INPUT_LENGTH = 1 << 18,
  EVENTS = 256,
  BACKLOG = 4096,
};

typedef struct {
  int fd;
  size_t in_length, out_length, out_sent, out_room;
  unsigned char *in, *out;
  unsigned char kept[IDS / 8]; /* the KEEP_CONN flag by request id */
  int closing, waiting;
} connection_t;

static int poller;

static const char BODY[] =
    "Content-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello world\n";

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void watch(int operation, connection_t *c, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, operation, c->fd, &event) < 0) fail("epoll_ctl");
}

static void drop(connection_t *c) {
  close(c->fd);
  free(c->in);
  free(c->out);
  free(c);
}

static void record(connection_t *c, int type, int id, const void *content, size_t length) {
  size_t padding = -length & 7, whole = HEADER_LENGTH + length + padding;
  if (c->out_length + whole > c->out_room) {
    c->out_room = 2 * (c->out_length + whole);
    if (!(c->out = realloc(c->out, c->out_room))) fail("realloc");
  }
  unsigned char *at = c->out + c->out_length;
  unsigned char header[HEADER_LENGTH] = {1,           type,     id >> 8, id & 255,
                                         length >> 8, length & 255, padding, 0};
  memcpy(at, header, HEADER_LENGTH);
  if (length) memcpy(at + HEADER_LENGTH, content, length);
  memset(at + HEADER_LENGTH + length, 0, padding);
  c->out_length += whole;
}

static void answer(connection_t *c, int id) {
  static const unsigned char complete[8];
  record(c, STDOUT, id, BODY, sizeof BODY - 1);
  record(c, STDOUT, id, NULL, 0);
  record(c, END_REQUEST, id, complete, sizeof complete);
  if (!(c->kept[id / 8] & 1 << id % 8)) c->closing = 1;
}

static void take(connection_t *c, int type, int id, const unsigned char *content, size_t length) {
  static const char values[] = "\x0f\x01" "FCGI_MPXS_CONNS" "1";
  if (type == BEGIN_REQUEST && length >= 3) {
    if (content[2] & KEEP_CONN) c->kept[id / 8] |= 1 << id % 8;
    else c->kept[id / 8] &= ~(1 << id % 8);
  } else if (type == STDIN && length == 0) {
    answer(c, id);
  } else if (type == GET_VALUES) {
    record(c, GET_VALUES_RESULT, 0, values, sizeof values - 1);
  }
}

/* Takes every whole record of the input, and moves the rest to its start. */
static void parse(connection_t *c) {
  size_t at = 0;
  while (c->in_length - at >= HEADER_LENGTH) {
    const unsigned char *h = c->in + at;
    size_t length = h[4] << 8 | h[5], whole = HEADER_LENGTH + length + h[6];
    if (c->in_length - at < whole) break;
    take(c, h[1], h[2] << 8 | h[3], h + HEADER_LENGTH, length);
    at += whole;
  }
  c->in_length -= at;
  memmove(c->in, c->in + at, c->in_length);
}

/* 0 when the connection is gone. */
static int flush(connection_t *c) {
  while (c->out_sent < c->out_length) {
    ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) {
      if (!c->waiting) watch(EPOLL_CTL_MOD, c, EPOLLIN | EPOLLOUT);
      c->waiting = 1;
      return 1;
    }
    if (n < 0) return 0;
    c->out_sent += n;
  }
  c->out_sent = c->out_length = 0;
  if (c->waiting) watch(EPOLL_CTL_MOD, c, EPOLLIN);
  c->waiting = 0;
  return !c->closing;
}

static int serve(connection_t *c, unsigned events) {
  if (events & EPOLLIN) {
    ssize_t n = recv(c->fd, c->in + c->in_length, INPUT_LENGTH - c->in_length, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return 0;
    if (n > 0) {
      c->in_length += n;
      parse(c);
    }
  } else if (events & (EPOLLERR | EPOLLHUP)) {
    return 0;
  }
  return flush(c);
}

static void accept_all(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
    connection_t *c = calloc(1, sizeof *c);
    if (!c || !(c->in = malloc(INPUT_LENGTH))) fail("malloc");
    c->fd = fd;
    watch(EPOLL_CTL_ADD, c, EPOLLIN);
  }
}

int main(int count, char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct epoll_event events[EVENTS], listening = {.events = EPOLLIN};
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (count != 2 || strlen(arguments[1]) >= sizeof address.sun_path) {
    fprintf(stderr, "usage: %s PATH\n", arguments[0]);
    return 2;
  }
  strcpy(address.sun_path, arguments[1]);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
  if (listen(listener, BACKLOG) < 0) fail("listen");
  if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &listening) < 0) fail("epoll_ctl");
  for (;;) {
    int ready = epoll_wait(poller, events, EVENTS, -1);
    for (int i = 0; i < ready; i++) {
      connection_t *c = events[i].data.ptr;
      if (!c) accept_all(listener);
      else if (!serve(c, events[i].events)) drop(c);
    }
  }
}
