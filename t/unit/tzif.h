
/*
 * Files of time zones, for tests: one type, one TZ string.
 */


#ifndef _TZIF_H_INCLUDED_
#define _TZIF_H_INCLUDED_


#define TZIF_HALF(offset)                                                     \
    "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"                                     \
    "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4" offset "\0\0" "STD\0"

#define TZIF(offset, rule)                                                    \
    TZIF_HALF(offset) TZIF_HALF(offset) "\n" rule "\n"

#define TZIF_BERLIN  TZIF("\0\0\x0e\x10", "CET-1CEST,M3.5.0,M10.5.0/3")
#define TZIF_TOKYO   TZIF("\0\0\x7e\x90", "JST-9")


#endif /* _TZIF_H_INCLUDED_ */
