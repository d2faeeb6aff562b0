/* The benchmark's own client, for what wrk cannot do: bodies that are sent, thousands of requests
 * that wait at once, a client that reads slowly, a fixed number of requests. One thread, epoll, one
 * request at a time on each of its connections to 127.0.0.1, which are kept.
 *
 *   client --port N [--path P] [--clients N] [--requests N | --seconds S] [--body BYTES]
 *          [--expect BYTES] [--rate BYTES_PER_SECOND] [--open-per-ms N] [--limit SECONDS]
 *
 * It ends when its requests are answered; what is not answered in --limit seconds has failed, and so
 * has what is not 200, not whole, or not --expect bytes long. The last line is a report in JSON; its
 * duration ends with the last response, so that waiting for responses that never come slows no rate. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADERS_LENGTH = 16384, PIECE_LENGTH = 1 << 18, EVENTS = 512, SLOW_BUFFER = 16384, TICK_MS = 20 };

typedef enum { HEADERS, LENGTH, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILER } part_t;

typedef struct {
  int fd;
  part_t part;
  size_t sent;              /* of headers and body together */
  char headers[HEADERS_LENGTH];   /* the response's headers, then each line of the chunked coding */
  size_t headers_length;
  long long left, received; /* of the body, or of the chunk; of the whole body */
  long long started_us;
  int status, writing, requests;
} client_t;

static long port, clients = 1, requests, open_per_ms = 64;
static long long body, expect = -1, rate;
static double seconds, limit = 60;
static const char *path = "/";

static int poller;
static char request[HEADERS_LENGTH];
static size_t request_length;
static char piece[PIECE_LENGTH];
static long begun, answered, failed, in_flight;
static long long bytes, started_us, last_response_us;
static unsigned *durations_us;
static size_t duration_room;

static long long now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* Whether another request may begin. */
static int more(void) {
  if (requests) return begun < requests;
  return now_us() - started_us < seconds * 1e6;
}

static void watch(client_t *c, int operation) {
  unsigned events = (rate ? 0 : EPOLLIN) | (c->writing ? EPOLLOUT : 0);
  struct epoll_event event = {.events = events, .data.ptr = c};
  if (epoll_ctl(poller, operation, c->fd, &event) < 0) fail("epoll_ctl");
}

static int open_socket(client_t *c) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  int one = 1, small = SLOW_BUFFER;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (rate) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  c->writing = 1;
  int result = connect(c->fd, (struct sockaddr *)&address, sizeof address);
  if (result < 0 && errno != EINPROGRESS) {
    close(c->fd);
    c->fd = -1;
    return 0;
  }
  watch(c, EPOLL_CTL_ADD);
  return 1;
}

static void begin(client_t *c) {
  begun++;
  in_flight++;
  c->part = HEADERS;
  c->sent = c->headers_length = 0;
  c->received = 0;
  c->started_us = now_us();
  c->writing = 1;
}

static void lose(client_t *c) {
  failed++;
  in_flight--;
  if (c->fd >= 0) close(c->fd);
  c->fd = -1;
}

/* Sends what the socket takes; 0 when the connection is broken. */
static int write_on(client_t *c) {
  size_t whole = request_length + body;
  while (c->sent < whole) {
    int in_headers = c->sent < request_length;
    size_t left = in_headers ? request_length - c->sent : whole - c->sent;
    if (!in_headers && left > PIECE_LENGTH) left = PIECE_LENGTH;
    ssize_t n = send(c->fd, in_headers ? request + c->sent : piece, left, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN || errno == ENOTCONN;
    c->sent += n;
  }
  c->writing = 0;
  watch(c, EPOLL_CTL_MOD);
  return 1;
}

static void done(client_t *c) {
  long long now = now_us();
  if (c->status != 200 || (expect >= 0 && c->received != expect) || c->writing) {
    lose(c);
    return;
  }
  if ((size_t)answered == duration_room) {
    duration_room = 2 * duration_room + 4096;
    durations_us = realloc(durations_us, duration_room * sizeof *durations_us);
    if (!durations_us) fail("realloc");
  }
  durations_us[answered++] = now - c->started_us;
  last_response_us = now;
  in_flight--;
  c->requests++;
  c->part = HEADERS;
  c->headers_length = 0;
  if (!more()) {
    close(c->fd);
    c->fd = -1;
    return;
  }
  begin(c);
  if (!write_on(c)) lose(c);
  else if (c->writing) watch(c, EPOLL_CTL_MOD);
}

/* One whole line of the headers or of the chunked coding; 0 when more bytes are needed. */
static int line(client_t *c, const char **at, const char *end, const char *terminator) {
  while (*at < end) {
    if (c->headers_length + 1 >= HEADERS_LENGTH) return -1;
    c->headers[c->headers_length++] = *(*at)++;
    c->headers[c->headers_length] = 0;
    size_t length = strlen(terminator);
    if (c->headers_length >= length && !strcmp(c->headers + c->headers_length - length, terminator)) return 1;
  }
  return 0;
}

static void take_headers(client_t *c) {
  const char *length = strcasestr(c->headers, "\r\ncontent-length:");
  c->status = atoi(c->headers + sizeof "HTTP/1.1");
  c->part = length ? LENGTH : CHUNK_SIZE;
  c->left = length ? atoll(length + sizeof "\r\ncontent-length:" - 1) : 0;
  if (!length && !strcasestr(c->headers, "\r\ntransfer-encoding: chunked")) c->status = 0;
  c->headers_length = 0;
}

/* Takes the bytes of a response; 0 when it is no response that this client understands. */
static int take(client_t *c, const char *at, const char *end) {
  while (c->fd >= 0 && (at < end || (c->part == LENGTH && !c->left))) {
    if (c->part == LENGTH || c->part == CHUNK) {
      long long length = end - at < c->left ? end - at : c->left;
      at += length;
      c->left -= length;
      c->received += length;
      bytes += length;
      if (c->left) continue;
      if (c->part == CHUNK) c->part = CHUNK_END;
      else done(c);
      continue;
    }
    int whole = line(c, &at, end, c->part == HEADERS ? "\r\n\r\n" : "\r\n");
    if (whole < 0) return 0;
    if (!whole) break;
    if (c->part == HEADERS) {
      take_headers(c);
      if (!c->status) return 0;
      continue;
    }
    long long size = c->part == CHUNK_SIZE ? strtoll(c->headers, NULL, 16) : 0;
    int is_empty = c->headers_length == 2;
    c->headers_length = 0;
    if (c->part == CHUNK_END) c->part = CHUNK_SIZE;
    else if (c->part == TRAILER && is_empty) done(c);
    else if (c->part == CHUNK_SIZE && size == 0) c->part = TRAILER;
    else if (c->part == CHUNK_SIZE) c->part = CHUNK, c->left = size;
  }
  return 1;
}

/* Takes what has come, at most so much; 0 when the connection is broken. */
static int read_on(client_t *c, size_t most) {
  static char in[PIECE_LENGTH];
  ssize_t n = recv(c->fd, in, most < sizeof in ? most : sizeof in, 0);
  if (n < 0) return errno == EAGAIN;
  return n == 0 ? 0 : take(c, in, in + n);
}

static void serve(client_t *c, unsigned events) {
  if (events & EPOLLOUT && c->writing && !write_on(c)) return lose(c);
  if (rate && !(events & (EPOLLERR | EPOLLHUP))) return;
  if (events & (EPOLLIN | EPOLLERR | EPOLLHUP) && !read_on(c, PIECE_LENGTH)) lose(c);
}

static void open_client(client_t *c) {
  begin(c);
  if (!open_socket(c)) lose(c);
}

static int by_size(const void *one, const void *other) {
  unsigned a = *(const unsigned *)one, b = *(const unsigned *)other;
  return a < b ? -1 : a > b;
}

static unsigned quantile(double share) {
  return answered ? durations_us[(size_t)(share * (answered - 1))] : 0;
}

static void read_arguments(int count, char **arguments) {
  static const struct option options[] = {
      {"port", 1, 0, 'p'},    {"path", 1, 0, 'u'},   {"clients", 1, 0, 'c'},
      {"requests", 1, 0, 'n'}, {"seconds", 1, 0, 's'}, {"body", 1, 0, 'b'},
      {"expect", 1, 0, 'e'},  {"rate", 1, 0, 'r'},   {"open-per-ms", 1, 0, 'o'},
      {"limit", 1, 0, 'l'},   {0, 0, 0, 0}};
  for (int flag; (flag = getopt_long(count, arguments, "", options, NULL)) != -1;) {
    if (flag == 'p') port = atol(optarg);
    else if (flag == 'u') path = optarg;
    else if (flag == 'c') clients = atol(optarg);
    else if (flag == 'n') requests = atol(optarg);
    else if (flag == 's') seconds = atof(optarg);
    else if (flag == 'b') body = atoll(optarg);
    else if (flag == 'e') expect = atoll(optarg);
    else if (flag == 'r') rate = atoll(optarg);
    else if (flag == 'o') open_per_ms = atol(optarg);
    else if (flag == 'l') limit = atof(optarg);
    else exit(2);
  }
  if (port <= 0 || (!requests && seconds <= 0)) {
    fprintf(stderr, "usage: %s --port N (--requests N | --seconds S) ...\n", arguments[0]);
    exit(2);
  }
  if (requests && clients > requests) clients = requests;
  request_length = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: bench.test\r\n",
                            body ? "POST" : "GET", path);
  if (body) {
    request_length += snprintf(request + request_length, sizeof request - request_length,
                               "Content-Type: application/octet-stream\r\n"
                               "Content-Length: %lld\r\n",
                               body);
  }
  request_length += snprintf(request + request_length, sizeof request - request_length, "\r\n");
}

/* Opens clients at the wanted pace, and again those that lost their connection. */
static void open_some(client_t *all, long *opened) {
  long wanted = (now_us() - started_us) / 1000 * open_per_ms + open_per_ms;
  for (; *opened < clients && *opened < wanted && more(); ++*opened) open_client(all + *opened);
  if (*opened < clients) return;
  for (long i = 0; i < clients && more(); i++) {
    if (all[i].fd < 0) open_client(all + i);
  }
}

int main(int count, char **arguments) {
  struct epoll_event events[EVENTS];
  long opened = 0;
  long long tick_us = 0;
  read_arguments(count, arguments);
  client_t *all = calloc(clients, sizeof *all);
  if (!all) fail("calloc");
  for (long i = 0; i < clients; i++) all[i].fd = -1;
  if ((poller = epoll_create1(0)) < 0) fail("epoll_create1");
  started_us = now_us();
  open_some(all, &opened);
  while ((in_flight || more()) && now_us() - started_us < (seconds + limit) * 1e6) {
    int ready = epoll_wait(poller, events, EVENTS, opened < clients ? 1 : TICK_MS);
    for (int i = 0; i < ready; i++) {
      client_t *c = events[i].data.ptr;
      if (c->fd >= 0) serve(c, events[i].events);
    }
    if (now_us() - tick_us < (opened < clients ? 1000 : TICK_MS * 1000)) continue;
    tick_us = now_us();
    open_some(all, &opened);
    for (long i = 0; rate && i < clients; i++) {
      if (all[i].fd >= 0 && !read_on(all + i, rate * TICK_MS / 1000)) lose(all + i);
    }
  }
  long long duration_us = (answered ? last_response_us : now_us()) - started_us;
  failed += in_flight;
  qsort(durations_us, answered, sizeof *durations_us, by_size);
  printf("{\"requests\":%ld,\"failed\":%ld,\"durationUs\":%lld,\"p50Us\":%u,\"p99Us\":%u,"
         "\"bytes\":%lld}\n",
         answered, failed, duration_us, quantile(0.5), quantile(0.99),
         bytes + (long long)answered * body);
  return 0;
}
