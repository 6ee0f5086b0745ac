
/*
 * The decision on rewards: a stream of facts, and the rules that stand in it,
 * become entries of a ledger.  There is no clock here, no I/O and no floating
 * point: the same facts give the same entries, on every machine.
 *
 * Amounts are whole numbers of the smallest part of their unit, times are
 * milliseconds since 1970.  An entry moves an amount of one reward from one
 * account of its owner to another; a new one comes from the budget.
 */


#ifndef _REFERRAL_LEDGER_H_INCLUDED_
#define _REFERRAL_LEDGER_H_INCLUDED_


#include "referral_fact.h"
#include "referral_rewards.h"


#define REFERRAL_REWARD_ID    16         /* hexadecimal digits */


typedef enum {
    REFERRAL_PENDING = 0,
    REFERRAL_AVAILABLE,
    REFERRAL_RESERVED,
    REFERRAL_SPENT,
    REFERRAL_EXPIRED,
    REFERRAL_CANCELLED,
    REFERRAL_WRITTEN_OFF,                /* 0 or less: a loss of the program */
    REFERRAL_ACCOUNTS,
    REFERRAL_BUDGET = REFERRAL_ACCOUNTS
} referral_account_e;


typedef struct referral_ledger_s  referral_ledger_t;


/* what a fact says is wrong, or what it could not do */

typedef struct {
    uint64_t              position;
    const char           *word;
} referral_ledger_flag_t;


/* what is no money: a tier or a badge that was reached */

typedef struct {
    uint64_t              position;
    int64_t               at;
    const char           *kind;          /* a word */
    uint64_t              who;
    referral_str_t        name;
    referral_str_t        detail;
} referral_ledger_notice_t;


/* strings live as long as the ledger; -1: there is no such moment */

typedef struct {
    uint64_t              position;      /* of the fact */
    unsigned              index;         /* 0, 1, 2 … of the fact's entries */
    u_char                reward[REFERRAL_REWARD_ID];
    uint64_t              owner;         /* number of a person */
    referral_str_t        unit;
    referral_str_t        rule;
    uint64_t              version;       /* of the rules */
    uint8_t               from;          /* referral_account_e, or budget */
    uint8_t               to;
    int64_t               amount;        /* above 0 */
    int64_t               at;            /* when it holds from */
    int64_t               due;           /* when it becomes available */
    int64_t               expires;
    const char           *why;           /* a word */
} referral_ledger_entry_t;


typedef struct {
    uint64_t              owner;
    referral_str_t        unit;
    int64_t               sum[REFERRAL_ACCOUNTS];
} referral_ledger_balance_t;


/* "program" is copied.  NULL without memory */
referral_ledger_t *referral_ledger_create(const referral_str_t *program);
void referral_ledger_free(referral_ledger_t *l);

/*
 * Facts before the first "rules" are decided by it: it is given here first,
 * and stands in the stream later all the same.
 */
int referral_ledger_ahead(referral_ledger_t *l, const referral_fact_t *fact);

/*
 * Decides the next fact, of whatever type.  REFERRAL_ERROR: without memory, or
 * a sum left int64; the ledger is of no use then.
 */
int referral_ledger_take(referral_ledger_t *l, const referral_fact_t *fact);

/* may a text follow another one?  REFERRAL_DECLINED: it may not, as a cap of
   that name counts something else */
int referral_ledger_edit(const referral_rewards_t *old,
    const referral_rewards_t *rewards);

/* of the last fact; each holds until the next one */
const referral_ledger_entry_t *referral_ledger_entries(referral_ledger_t *l,
    size_t *n);
const referral_ledger_flag_t *referral_ledger_flags(referral_ledger_t *l,
    size_t *n);

const referral_ledger_notice_t *referral_ledger_notices(referral_ledger_t *l,
    size_t *n);

/* the next moment at which something is due; -1: none */
int64_t referral_ledger_due(referral_ledger_t *l);

/* what everybody has, in no certain order; "balance" holds until the next call.
   REFERRAL_ERROR: without memory */
int referral_ledger_balances(referral_ledger_t *l,
    const referral_ledger_balance_t **balance, size_t *n);

referral_str_t referral_account_name(unsigned account);


#endif /* _REFERRAL_LEDGER_H_INCLUDED_ */
