/* Each program checks itself and exits 0; natively and in a pod alike. IN_POD says where it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define CHECK(condition) do { if (!(condition)) { fprintf(stderr, "%s:%d: %s (errno %d, %s)\n", __FILE__, __LINE__, #condition, errno, strerror(errno)); exit(1); } } while (0)
#define CHECK_EQ(a, b) do { long a_ = (long)(a), b_ = (long)(b); if (a_ != b_) { fprintf(stderr, "%s:%d: %s is %ld, %s is %ld (errno %d)\n", __FILE__, __LINE__, #a, a_, #b, b_, errno); exit(1); } } while (0)
#define IN_POD (getenv("AUTOPOD_POD") != NULL)
