
/*
 * A minimal writer of TAP: ok(condition, "what it protects"), and the plan at
 * the end.  main() of a unit test returns unit_done().
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static unsigned  unit_count, unit_failed;


#define ok(cond, ...)                                                         \
    unit_ok((cond) ? 1 : 0, __FILE__, __LINE__, __VA_ARGS__)


__attribute__((format(printf, 4, 5))) static inline int
unit_ok(int cond, const char *file, int line, const char *fmt, ...)
{
    va_list  args;

    unit_count++;
    unit_failed += !cond;

    printf("%sok %u - ", cond ? "" : "not ", unit_count);

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");

    if (!cond) {
        fprintf(stderr, "# failed at %s:%d\n", file, line);
    }

    return cond;
}


static inline int
unit_done(void)
{
    printf("1..%u\n", unit_count);

    return unit_failed ? 1 : 0;
}


#endif /* _UNIT_H_INCLUDED_ */
