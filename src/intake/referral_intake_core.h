
/*
 * The parts of the intake: memory and mistakes (_memory.c), a body cut into
 * items (_split.c), what a field may be (_check.c), an item's fields (_json.c,
 * _form.c), and the whole of it (referral_intake.c).
 */


#ifndef _REFERRAL_INTAKE_CORE_H_INCLUDED_
#define _REFERRAL_INTAKE_CORE_H_INCLUDED_


#include "referral_intake.h"


/* how deep arrays and objects may nest; an event needs two */
#define REFERRAL_INTAKE_DEPTH   32

#define REFERRAL_INTAKE_NAME    64       /* of a field's name is told */


typedef enum {
    REFERRAL_INTAKE_TEXT = 0,
    REFERRAL_INTAKE_DIGITS,      /* text of a form, where a number may stand */
    REFERRAL_INTAKE_NUMBER,
    REFERRAL_INTAKE_FRACTION,    /* a number with a point or an exponent */
    REFERRAL_INTAKE_BOOLEAN,
    REFERRAL_INTAKE_NESTED       /* an array or an object */
} referral_intake_kind_e;


typedef struct {
    unsigned                 kind;       /* referral_intake_kind_e */
    int64_t                  number;     /* of a boolean 0 or 1 */
    referral_str_t           text;       /* UTF-8 */
} referral_intake_value_t;


/* what a field takes */

typedef enum {
    REFERRAL_INTAKE_SCALAR = 0,
    REFERRAL_INTAKE_LIST,
    REFERRAL_INTAKE_EXTRAS
} referral_intake_shape_e;


typedef struct referral_intake_field_s  referral_intake_field_t;


/* one item that is being read */

typedef struct {
    referral_intake_t             *in;
    referral_intake_item_t        *item;
    const referral_intake_conf_t  *conf;
    uint32_t                       seen;     /* fields, right or wrong */
} referral_intake_reader_t;


void *referral_intake_alloc(referral_intake_t *in, size_t size);
void referral_intake_copy(referral_intake_t *in, referral_str_t *out,
    const referral_str_t *s);

/* "status" is the item's from its first mistake on; "detail" lives on */
void referral_intake_wrong(referral_intake_t *in, referral_intake_item_t *item,
    unsigned status, const referral_str_t *field, const char *code,
    const char *detail);

/* of the body as a whole; REFERRAL_DECLINED */
int referral_intake_refused(referral_intake_t *in, unsigned status,
    const char *code, const char *detail);

/* the same, of the body's byte "p", whose line and column are told */
int referral_intake_refused_at(referral_intake_t *in, unsigned status,
    const char *code, const char *detail, const u_char *p);

/*
 * "what" with a line and a column of the body, in the arena; NULL: no memory.
 * "line" and "column" are counted from 1 at "p", which is behind those of
 * earlier calls.
 */
const char *referral_intake_at(referral_intake_t *in, const char *what,
    const u_char *p, unsigned line, unsigned column);

/* of a field of the item, 422 */
void referral_intake_mistake(referral_intake_reader_t *r,
    const referral_str_t *field, const char *code, const char *detail);

/* the items' texts, in the arena, or REFERRAL_DECLINED and in->body */
int referral_intake_split(referral_intake_t *in, const referral_str_t *body,
    referral_str_t **items);
int referral_intake_split_lines(referral_intake_t *in,
    const referral_str_t *body, referral_str_t **items);

/* at least as many values as the parser makes of it */
size_t referral_intake_count(const referral_str_t *item);

/* all fields of an item */
void referral_intake_json(referral_intake_reader_t *r,
    const referral_str_t *text);
void referral_intake_form(referral_intake_reader_t *r,
    const referral_str_t *text);

/* NULL, and a mistake: there is no such field */
const referral_intake_field_t *referral_intake_find(
    referral_intake_reader_t *r, const referral_str_t *name);
unsigned referral_intake_shape(const referral_intake_field_t *field);

/* a field, one entry of a list, one of "x"; what is wrong is a mistake */
void referral_intake_set(referral_intake_reader_t *r,
    const referral_intake_field_t *field, const referral_intake_value_t *v);
void referral_intake_set_extra(referral_intake_reader_t *r,
    const referral_str_t *key, const referral_intake_value_t *v);

/* when all fields are set: what is missing, and what does not fit */
void referral_intake_finish(referral_intake_reader_t *r);


#endif /* _REFERRAL_INTAKE_CORE_H_INCLUDED_ */
