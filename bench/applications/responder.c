/* The benchmark's application: one thread, epoll, many requests at once on each connection, every
 * response of the same length. It does as little as an application can, so that what is measured is the
 * proxy. It answers FCGI_GET_VALUES with FCGI_MPXS_CONNS=1. Arguments: the unix socket's path, the
 * length of a response's body (12 when left out) or the path of a page of HTML, and "query": a request
 * with "bytes=N" in its parameters then gets N bytes instead.
 *
 * Records are read in place from a connection's input; what is answered in one turn leaves in one
 * write. A response of one record is made at once; longer ones take turns, a record each, and never
 * fill more than OUT_LENGTH. It trusts its peer: this is no server for anything but the benchmark. */
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
  PARAMS = 4,
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
  CONTENT_LENGTH = 65528, /* the longest record content that needs no padding */
  HEADERS_LENGTH = 128,
  OUT_LENGTH = 1 << 19,
  TURNS = 16, /* fillings of the out buffer before other connections have their turn */
};

/* A response that does not fit into one record. */
typedef struct {
  int id;
  size_t left;
} response_t;

typedef struct {
  int fd;
  size_t in_length, out_length, out_sent, out_room;
  unsigned char *in, *out;
  unsigned char kept[IDS / 8]; /* the KEEP_CONN flag by request id */
  size_t asked[IDS];           /* the response's length by request id, only with "query" */
  response_t *responses;
  size_t response_count, response_room, turn;
  int closing, waiting;
} connection_t;

static int poller, by_query;
static size_t body_length = 12;
static unsigned char body[CONTENT_LENGTH];
static const char *type = "plain";

/* The usual response, when it fits into one record. */
static unsigned char usual[CONTENT_LENGTH];
static size_t usual_length;

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
  free(c->responses);
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

static void end(connection_t *c, int id) {
  static const unsigned char complete[8];
  record(c, STDOUT, id, NULL, 0);
  record(c, END_REQUEST, id, complete, sizeof complete);
  if (!(c->kept[id / 8] & 1 << id % 8)) c->closing = 1;
}

static size_t write_headers(unsigned char *at, size_t length) {
  return snprintf((char *)at, HEADERS_LENGTH,
                  "Content-Type: text/%s\r\nContent-Length: %zu\r\n\r\n", type, length);
}

static void respond(connection_t *c, int id) {
  unsigned char headers[HEADERS_LENGTH];
  size_t length = body_length;
  if (by_query && c->asked[id]) {
    length = c->asked[id];
    c->asked[id] = 0;
  } else if (usual_length) {
    record(c, STDOUT, id, usual, usual_length);
    end(c, id);
    return;
  }
  record(c, STDOUT, id, headers, write_headers(headers, length));
  if (c->response_count == c->response_room) {
    c->response_room = 2 * c->response_room + 16;
    if (!(c->responses = realloc(c->responses, c->response_room * sizeof(response_t)))) fail("realloc");
  }
  c->responses[c->response_count++] = (response_t){id, length};
}

/* Appends records of the long responses, one after the other, until the out buffer holds enough. */
static void fill(connection_t *c) {
  if (!c->response_count) return;
  memmove(c->out, c->out + c->out_sent, c->out_length - c->out_sent);
  c->out_length -= c->out_sent;
  c->out_sent = 0;
  while (c->response_count && c->out_length < OUT_LENGTH) {
    if (c->turn >= c->response_count) c->turn = 0;
    response_t *one = c->responses + c->turn;
    size_t length = one->left < CONTENT_LENGTH ? one->left : CONTENT_LENGTH;
    record(c, STDOUT, one->id, body, length);
    one->left -= length;
    if (one->left) {
      c->turn++;
      continue;
    }
    end(c, one->id);
    *one = c->responses[--c->response_count];
  }
}

static void take(connection_t *c, int type, int id, const unsigned char *content, size_t length) {
  static const char values[] = "\x0f\x01" "FCGI_MPXS_CONNS" "1";
  if (type == BEGIN_REQUEST && length >= 3) {
    if (content[2] & KEEP_CONN) c->kept[id / 8] |= 1 << id % 8;
    else c->kept[id / 8] &= ~(1 << id % 8);
  } else if (type == PARAMS && by_query && length) {
    const char *found = memmem(content, length, "bytes=", 6);
    if (found) c->asked[id] = strtoul(found + 6, NULL, 10);
  } else if (type == STDIN && length == 0) {
    respond(c, id);
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

static void wait_to_write(connection_t *c, int waiting) {
  if (c->waiting == waiting) return;
  watch(EPOLL_CTL_MOD, c, waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
  c->waiting = waiting;
}

/* 0 when the connection is gone. */
static int flush(connection_t *c) {
  for (int turn = 0; turn < TURNS; turn++) {
    fill(c);
    while (c->out_sent < c->out_length) {
      ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) {
        wait_to_write(c, 1);
        return 1;
      }
      if (n < 0) return 0;
      c->out_sent += n;
    }
    c->out_sent = c->out_length = 0;
    if (!c->response_count) {
      wait_to_write(c, 0);
      return !c->closing;
    }
  }
  wait_to_write(c, 1);
  return 1;
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

/* A page that is longer than a record is cut. */
static void read_page(const char *path) {
  int file = open(path, O_RDONLY);
  if (file < 0) fail(path);
  ssize_t length = read(file, body, CONTENT_LENGTH - HEADERS_LENGTH);
  if (length < 0) fail(path);
  close(file);
  body_length = length;
  type = "html";
}

int main(int count, char **arguments) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct epoll_event events[EVENTS], listening = {.events = EPOLLIN};
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (count < 2 || count > 4 || strlen(arguments[1]) >= sizeof address.sun_path) {
    fprintf(stderr, "usage: %s PATH [LENGTH | PAGE [query]]\n", arguments[0]);
    return 2;
  }
  memset(body, 'x', sizeof body);
  if (count > 2 && *arguments[2] == '/') read_page(arguments[2]);
  else if (count > 2) body_length = strtoul(arguments[2], NULL, 10);
  by_query = count > 3;
  if (body_length <= CONTENT_LENGTH - HEADERS_LENGTH) {
    usual_length = write_headers(usual, body_length);
    memcpy(usual + usual_length, body, body_length);
    usual_length += body_length;
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
