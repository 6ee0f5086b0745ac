
#include <stdlib.h>

#include "referral_automaton.h"


/*
 * A word that ends in a state, and the index of the next shorter one that ends
 * there too.
 */

typedef struct {
    uint16_t                 word;
    uint16_t                 next;       /* 0: there is none */
    uint8_t                  len;
    uint8_t                  flags;
} referral_automaton_end_t;


/*
 * A state is the index of its row in "next".  The states in which words end
 * are the last ones, so that one comparison tells them apart; the last column
 * of their rows is the index of the state's longest word in "ends".
 */

struct referral_automaton_s {
    uint32_t                    *next;
    uint32_t                     width;
    uint32_t                     ending;     /* the first state in which words
                                                end */
    referral_automaton_end_t    *ends;       /* [0] is not used */
    size_t                       size;
    u_char                       column[256];
};


/* a node of the trie from which the states are made */

typedef struct {
    uint32_t                 child;
    uint32_t                 sibling;
    uint32_t                 fail;       /* the longest proper suffix that is a
                                            node */
    uint32_t                 state;
    uint16_t                 end;        /* index in "ends", 0: no word ends */
    u_char                   column;
} referral_automaton_node_t;


typedef struct {
    referral_automaton_node_t   *node;       /* [0] is the root */
    uint32_t                    *queue;      /* nodes in the order of their
                                                depth */
    uint32_t                    *next;       /* transitions, of nodes instead
                                                of states */
    uint32_t                     n;
} referral_automaton_trie_t;


static size_t referral_automaton_columns(referral_automaton_t *words,
    const referral_automaton_word_t *word, size_t n);
static void referral_automaton_insert(referral_automaton_t *words,
    referral_automaton_trie_t *trie, const referral_automaton_word_t *word,
    unsigned i);
static void referral_automaton_link(referral_automaton_t *words,
    referral_automaton_trie_t *trie);
static int referral_automaton_rows(referral_automaton_t *words,
    referral_automaton_trie_t *trie);
static int referral_automaton_alnum(u_char c);


referral_automaton_t *
referral_automaton_create(const referral_automaton_word_t *word, size_t n)
{
    int                         rc;
    size_t                      i, total;
    referral_automaton_t       *words;
    referral_automaton_trie_t   trie;

    if (n > REFERRAL_AUTOMATON_MAX) {
        return NULL;
    }

    words = calloc(1, sizeof(referral_automaton_t));
    if (words == NULL) {
        return NULL;
    }

    total = referral_automaton_columns(words, word, n);

    memset(&trie, 0, sizeof(referral_automaton_trie_t));

    trie.node = calloc(total + 1, sizeof(referral_automaton_node_t));
    words->ends = calloc(n + 1, sizeof(referral_automaton_end_t));

    if (total == 0 || trie.node == NULL || words->ends == NULL) {
        goto failed;
    }

    trie.n = 1;

    for (i = 0; i < n; i++) {
        referral_automaton_insert(words, &trie, &word[i], i);
    }

    words->size = sizeof(referral_automaton_t)
                  + (n + 1) * sizeof(referral_automaton_end_t)
                  + (size_t) trie.n * words->width * sizeof(uint32_t);

    if (words->size > REFERRAL_AUTOMATON_MEMORY) {
        goto failed;
    }

    trie.queue = malloc(trie.n * sizeof(uint32_t));
    trie.next = calloc((size_t) trie.n * words->width, sizeof(uint32_t));

    if (trie.queue == NULL || trie.next == NULL) {
        goto failed;
    }

    referral_automaton_link(words, &trie);

    rc = referral_automaton_rows(words, &trie);

    free(trie.node);
    free(trie.queue);
    free(trie.next);

    if (rc != REFERRAL_OK) {
        referral_automaton_free(words);
        return NULL;
    }

    return words;

failed:

    free(trie.node);
    free(trie.queue);
    free(trie.next);
    referral_automaton_free(words);

    return NULL;
}


void
referral_automaton_free(referral_automaton_t *words)
{
    free(words->next);
    free(words->ends);
    free(words);
}


size_t
referral_automaton_size(const referral_automaton_t *words)
{
    return words->size;
}


/*
 * Gives each byte that occurs in a word a column, a letter's two cases the
 * same one; column 0 is for all other bytes.  Returns the number of bytes of
 * all words, 0 if a word is empty or too long.
 */

static size_t
referral_automaton_columns(referral_automaton_t *words,
    const referral_automaton_word_t *word, size_t n)
{
    u_char  c;
    size_t  i, j, total;

    total = 0;
    words->width = 1;

    for (i = 0; i < n; i++) {

        if (word[i].text.len == 0 || word[i].text.len > REFERRAL_WORD_MAX) {
            return 0;
        }

        total += word[i].text.len;

        for (j = 0; j < word[i].text.len; j++) {
            c = word[i].text.data[j];

            if (words->column[c]) {
                continue;
            }

            words->column[c] = words->width;

            if (c >= 'a' && c <= 'z') {
                words->column[c & ~0x20] = words->width;

            } else if (c >= 'A' && c <= 'Z') {
                words->column[c | 0x20] = words->width;
            }

            words->width++;
        }
    }

    /* the column for the words that end */

    words->width++;

    return total;
}


static void
referral_automaton_insert(referral_automaton_t *words,
    referral_automaton_trie_t *trie, const referral_automaton_word_t *word,
    unsigned i)
{
    size_t                      j;
    u_char                      column;
    uint32_t                    at, child;
    referral_automaton_end_t   *end;
    referral_automaton_node_t  *node;

    at = 0;
    node = trie->node;

    for (j = 0; j < word->text.len; j++) {
        column = words->column[word->text.data[j]];

        child = node[at].child;

        while (child && node[child].column != column) {
            child = node[child].sibling;
        }

        if (child == 0) {
            child = trie->n++;
            node[child].column = column;
            node[child].sibling = node[at].child;
            node[at].child = child;
        }

        at = child;
    }

    end = &words->ends[i + 1];

    end->word = i;
    end->len = word->text.len;
    end->flags = word->flags;
    end->next = node[at].end;

    node[at].end = i + 1;
}


/*
 * Fills in the transitions by depth: one that a node lacks is taken from its
 * longest suffix, which is less deep and therefore complete.
 */

static void
referral_automaton_link(referral_automaton_t *words,
    referral_automaton_trie_t *trie)
{
    uint16_t                   *end;
    uint32_t                    at, child, fail, i, last, *row;
    referral_automaton_node_t  *node;

    node = trie->node;

    trie->queue[0] = 0;
    last = 1;

    for (i = 0; i < last; i++) {
        at = trie->queue[i];
        fail = node[at].fail;
        row = &trie->next[(size_t) at * words->width];

        if (at) {
            memcpy(row, &trie->next[(size_t) fail * words->width],
                   words->width * sizeof(uint32_t));

            /* append the words of the suffix to those of the node */

            for (end = &node[at].end; *end; end = &words->ends[*end].next) {
                /* void */
            }

            *end = node[fail].end;
        }

        for (child = node[at].child; child; child = node[child].sibling) {
            node[child].fail = at ? row[node[child].column] : 0;
            row[node[child].column] = child;
            trie->queue[last++] = child;
        }
    }
}


static int
referral_automaton_rows(referral_automaton_t *words,
    referral_automaton_trie_t *trie)
{
    uint32_t                    at, c, i, pass, state, *row, *from;
    referral_automaton_node_t  *node;

    node = trie->node;

    words->next = malloc((size_t) trie->n * words->width * sizeof(uint32_t));
    if (words->next == NULL) {
        return REFERRAL_ERROR;
    }

    state = 0;

    for (pass = 0; pass < 2; pass++) {

        if (pass) {
            words->ending = state;
        }

        for (i = 0; i < trie->n; i++) {
            at = trie->queue[i];

            if ((node[at].end != 0) == pass) {
                node[at].state = state;
                state += words->width;
            }
        }
    }

    for (at = 0; at < trie->n; at++) {
        row = &words->next[node[at].state];
        from = &trie->next[(size_t) at * words->width];

        for (c = 0; c < words->width - 1; c++) {
            row[c] = node[from[c]].state;
        }

        row[c] = node[at].end;
    }

    return REFERRAL_OK;
}


void
referral_automaton_scan(referral_automaton_scan_t *scan,
    const referral_automaton_t *words, const referral_str_t *text, size_t max)
{
    scan->words = words;
    scan->start = text->data;
    scan->pos = text->data;
    scan->last = text->data;
    scan->end = text->data;
    scan->state = 0;
    scan->found = 0;

    if (text->len) {
        scan->end += text->len;
        scan->last += text->len < max ? text->len : max;
    }
}


int
referral_automaton_next(referral_automaton_scan_t *scan,
    referral_automaton_match_t *match)
{
    uint32_t                         state;
    const u_char                    *p, *last, *start;
    const uint32_t                  *next;
    const referral_automaton_t      *words;
    const referral_automaton_end_t  *end;

    words = scan->words;
    next = words->next;
    last = scan->last;
    p = scan->pos;

    for ( ;; ) {

        while (scan->found) {
            end = &words->ends[scan->found];
            scan->found = end->next;
            start = p - end->len;

            if (((end->flags & REFERRAL_WORD_START) && start != scan->start)
                || ((end->flags & REFERRAL_WORD_END) && p != scan->end)
                || ((end->flags & REFERRAL_WORD_LEFT)
                    && start != scan->start
                    && referral_automaton_alnum(start[-1]))
                || ((end->flags & REFERRAL_WORD_RIGHT)
                    && p != scan->end && referral_automaton_alnum(*p)))
            {
                continue;
            }

            match->word = end->word;
            match->start = start - scan->start;
            match->end = p - scan->start;

            return 1;
        }

        state = scan->state;

        do {
            if (p == last) {
                scan->pos = p;
                scan->state = state;
                return 0;
            }

            state = next[state + words->column[*p++]];

        } while (state < words->ending);

        scan->pos = p;
        scan->state = state;
        scan->found = next[state + words->width - 1];
    }
}


static int
referral_automaton_alnum(u_char c)
{
    return (c >= '0' && c <= '9')
           || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
}
