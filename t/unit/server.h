#ifndef SERVER_H
#define SERVER_H

/** For tests that need a real server: start a program, wait for its port, stop it by pid. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static inline struct sockaddr_in server_address(int port)
{
    struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sin;
}

/** A port of the loopback interface that nobody listens on now; -1 none. */
__attribute__((unused)) static int server_free_port(void)
{
    struct sockaddr_in sin = server_address(0);
    socklen_t len = sizeof(sin);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = -1;

    if (fd >= 0 && !bind(fd, (struct sockaddr *)&sin, sizeof(sin)) &&
        !getsockname(fd, (struct sockaddr *)&sin, &len)) {
        port = ntohs(sin.sin_port);
    }
    if (fd >= 0) {
        close(fd);
    }
    return port;
}

__attribute__((unused)) static int server_answers(int port)
{
    struct sockaddr_in sin = server_address(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int good = fd >= 0 && !connect(fd, (struct sockaddr *)&sin, sizeof(sin));

    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/** Start a program; it dies with the test. @return its pid when the port answers, -1 within 10 s not */
__attribute__((unused)) static pid_t server_start(const char *const *argv, int port)
{
    pid_t pid = fork();
    int i;

    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    for (i = 0; pid > 0 && i < 200; i++) {
        if (server_answers(port)) {
            return pid;
        }
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return -1;
        }
        usleep(50000);
    }
    return -1;
}

__attribute__((unused)) static void server_stop(pid_t pid, int sig)
{
    kill(pid, sig);
    waitpid(pid, NULL, 0);
}

#endif
