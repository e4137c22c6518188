/* The clients of `make bench-sockets`, in C so that on one machine the server is measured and not they; and their bound.

   sockets listen PORT PATH CLIENTS FROZEN BURST EXPECTED LOG
       That many WebSocket clients on 127.0.0.1, the first FROZEN of which never read. Prints "ready" when each other one
       was greeted and "burst" when BURST product updates have come, reads until EXPECTED have come to them all or stdin
       has ended, and writes one record for each to LOG: product id, client, CLOCK_MONOTONIC in nanoseconds.
   sockets blast PORT CLIENTS MESSAGES LENGTH
       The bound: a server that does nothing but `send` one ready frame of LENGTH bytes to each client, MESSAGES times,
       from the moment a line comes on stdin. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 16384, TEXT = 1, CLOSE = 8, PING = 9, EVENTS = 512 };
static const char ID[] = "\"product_id\":";

struct client {
    int fd, greeted, upgraded;
    size_t held;
    char *room;
};
struct record {
    uint32_t product, client;
    uint64_t at;
};

static struct record *records;
static long expected, counted, greeted;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct sockaddr_in address(const char *port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return to;
}

static void whole(int fd, const char *data, size_t length) {
    while (length) {
        ssize_t sent = send(fd, data, length, MSG_NOSIGNAL);
        if (sent < 0) fail("send");
        data += sent, length -= (size_t)sent;
    }
}

static int dial(const char *port, const char *path, int frozen) {
    struct sockaddr_in to = address(port);
    int fd = socket(AF_INET, SOCK_STREAM, 0), little = 4096;
    char request[512];
    if (fd < 0) fail("socket");
    if (frozen) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) fail("connect");
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
                          path, port);
    whole(fd, request, (size_t)length);
    return fd;
}

static void hear(struct client *c, uint32_t number, const char *text, size_t length) {
    const char *found = memmem(text, length, ID, sizeof ID - 1);
    if (!c->greeted) c->greeted = 1, greeted++;
    if (found && counted < expected)
        records[counted++] = (struct record){(uint32_t)strtoul(found + sizeof ID - 1, NULL, 10), number, now()};
}

static void answer_ping(int fd, const unsigned char *payload, size_t length) {
    unsigned char pong[6 + 125] = {0x8A, (unsigned char)(0x80 | length), 0, 0, 0, 0}; /* masked with zeros */
    memcpy(pong + 6, payload, length);
    whole(fd, (char *)pong, 6 + length);
}

/* How many bytes of what is held were whole frames. */
static size_t take(struct client *c, uint32_t number) {
    size_t at = 0;
    if (!c->upgraded) {
        char *end = memmem(c->room, c->held, "\r\n\r\n", 4);
        if (!end) return 0;
        at = (size_t)(end - c->room) + 4, c->upgraded = 1;
    }
    while (c->held - at >= 2) {
        unsigned char *frame = (unsigned char *)c->room + at;
        size_t head = 2, length = frame[1] & 0x7F;
        if (length == 127) fprintf(stderr, "a frame of more than 64 KiB\n"), exit(1);
        if (length == 126) {
            if (c->held - at < 4) break;
            length = (size_t)frame[2] << 8 | frame[3], head = 4;
        }
        if (c->held - at < head + length) break;
        if ((frame[0] & 0x0F) == TEXT) hear(c, number, (char *)frame + head, length);
        if ((frame[0] & 0x0F) == PING) answer_ping(c->fd, frame + head, length);
        if ((frame[0] & 0x0F) == CLOSE) fprintf(stderr, "client %u was closed\n", number), exit(1);
        at += head + length;
    }
    return at;
}

static void receive(struct client *c, uint32_t number) {
    ssize_t got = recv(c->fd, c->room + c->held, ROOM - c->held, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) fprintf(stderr, "client %u was cut off\n", number), exit(1);
    c->held += (size_t)got;
    size_t taken = take(c, number);
    memmove(c->room, c->room + taken, c->held - taken);
    c->held -= taken;
}

static void await(int poll, struct client *clients, uint32_t number, const long *count, long enough) {
    struct epoll_event events[EVENTS];
    while (*count < enough) {
        int ready = epoll_wait(poll, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.u32 == number) return;
            receive(&clients[events[i].data.u32], events[i].data.u32);
        }
    }
}

static void listen_to(char **argument) {
    uint32_t number = (uint32_t)atoi(argument[2]), frozen = (uint32_t)atoi(argument[3]);
    struct client *clients = calloc(number, sizeof *clients);
    int poll = epoll_create1(0);
    struct epoll_event stdin_ends = {.events = EPOLLIN, .data.u32 = number};
    long burst = atol(argument[4]);
    expected = atol(argument[5]);
    records = calloc((size_t)expected + 1, sizeof *records);
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &stdin_ends);
    for (uint32_t n = 0; n < number; n++) {
        struct epoll_event readable = {.events = EPOLLIN, .data.u32 = n};
        clients[n] = (struct client){.fd = dial(argument[0], argument[1], n < frozen), .room = malloc(ROOM)};
        if (n >= frozen) epoll_ctl(poll, EPOLL_CTL_ADD, clients[n].fd, &readable);
        if (n % 50 == 49) await(poll, clients, number, &greeted, (long)(n + 1 - (n + 1 < frozen ? n + 1 : frozen)));
    }
    await(poll, clients, number, &greeted, (long)(number - frozen));
    puts("ready"), fflush(stdout);
    await(poll, clients, number, &counted, burst);
    puts("burst"), fflush(stdout);
    await(poll, clients, number, &counted, expected);
    FILE *log = fopen(argument[6], "wb");
    if (!log || fwrite(records, sizeof *records, (size_t)counted, log) != (size_t)counted || fclose(log)) fail("log");
}

static void blast(char **argument) {
    int number = atoi(argument[1]), messages = atoi(argument[2]), length = atoi(argument[3]), one = 1;
    int *clients = calloc((size_t)number, sizeof *clients), door = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = address(argument[0]);
    char request[1024], frame[4 + 65535] = {(char)(0x80 | TEXT), 126, (char)(length >> 8), (char)length};
    int body = snprintf(frame + 4, (size_t)length, "{%s1", ID);
    memset(frame + 4 + body, ' ', (size_t)(length - body));
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(door, (struct sockaddr *)&at, sizeof at) || listen(door, 4096)) fail("listen");
    puts("open"), fflush(stdout);
    for (int n = 0; n < number; n++) {
        if ((clients[n] = accept(door, NULL, NULL)) < 0) fail("accept");
        setsockopt(clients[n], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (recv(clients[n], request, sizeof request, 0) <= 0) fail("recv");
        whole(clients[n], "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02{}", 40);
    }
    if (!fgets(request, sizeof request, stdin)) exit(1);
    for (int message = 0; message < messages; message++)
        for (int n = 0; n < number; n++) whole(clients[n], frame, 4 + (size_t)length);
    if (fgets(request, sizeof request, stdin)) exit(0); /* until the clients have gone */
}

int main(int count, char **argument) {
    if (count == 9 && !strcmp(argument[1], "listen")) listen_to(argument + 2);
    else if (count == 6 && !strcmp(argument[1], "blast")) blast(argument + 2);
    else return fprintf(stderr, "usage: see the head of sockets.c\n"), 2;
    return 0;
}
