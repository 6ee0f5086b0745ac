
/*
 * The configuration of the journal, which keeps clicks until Redis has them.
 */


#ifndef _NGX_HTTP_REFERRAL_JOURNAL_CONF_H_INCLUDED_
#define _NGX_HTTP_REFERRAL_JOURNAL_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_referral_zone.h"


typedef struct {
    ngx_path_t                     *path;
    ngx_http_referral_directory_t  *directory;  /* in the zone; NULL: its
                                                   path is too long */
    off_t                           segment;    /* bytes */
    off_t                           max;        /* bytes */
    time_t                          retain;     /* s */
    ngx_uint_t                      sync;       /* referral_sync_e */
} ngx_http_referral_journal_conf_t;


#endif /* _NGX_HTTP_REFERRAL_JOURNAL_CONF_H_INCLUDED_ */
