# protects: an event in the shop's answer is not lost when nginx sends another
# page in its place, if the manual's configuration stands

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

my $t = Referral->new;

$t->write_file('html/files/page.html', 'a file');
$t->write_file('html/sorry.html', 'sorry');
$t->config(
    server => <<'END',
        referral_program shop;
        referral_landing "https://shop.example.com/";
        referral_convert_from $upstream_http_x_referral_event;

        location /r/ {
            referral;
        }

        location /shop/ {
            proxy_pass http://127.0.0.1:%%PORT%%/said/;
            proxy_set_header Host inner;
            proxy_intercept_errors on;
            error_page 500 /sorry.html;
            error_page 502 @sorry;
        }

        location /files/ {
            internal;
        }

        location /page/ {
            internal;
            proxy_pass http://127.0.0.1:%%PORT%%;
            proxy_set_header Host inner;
        }

        location = /sorry.html {
        }

        location @sorry {
            return 200 sorry;
        }
END
    servers => <<'END',
        server {
            listen 127.0.0.1:%%PORT%%;
            server_name inner;

            location /said/ {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id" always;

                location /said/file {
                    add_header X-Accel-Redirect /files/page.html;
                    add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id";
                    return 200 none;
                }

                location /said/page {
                    add_header X-Accel-Redirect "/page/?id=more$arg_id";
                    add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id";
                    return 200 none;
                }

                location /said/500 {
                    return 500;
                }

                location /said/502 {
                    return 502;
                }
            }

            location /page/ {
                add_header X-Referral-Event "type=lead&event_id=$arg_id&customer=c$arg_id";
                return 200 "a page";
            }
        }
END
);

$t->start;

my @want;

sub carried {
    my ($what, $uri, $status, $body) = @_;

    push @want, "e" . @want;
    my $r = $t->get("/shop/$uri?id=$want[-1]");

    is($r->status, $status, $what);
    like($r->body, $body, "$what: the other page");
    is($r->header('X-Referral-Event'), undef, "$what: without our header");
}

carried('X-Accel-Redirect to a file', 'file', 200, qr/^a file/);
carried('X-Accel-Redirect to another upstream', 'page', 200, qr/^a page/);
carried('an error page', '500', 500, qr/^sorry/);
carried('a named location', '502', 502, qr/^sorry/);
push @want, 'moree1';

my $all = wait_for {
    scalar $t->entries('ref:conversions:{shop}') == @want;
};

is(join(' ', sort map { $_->{event} } $t->entries('ref:conversions:{shop}')),
   "@want", 'each event is taken, once');

done_testing;
