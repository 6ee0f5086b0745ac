# protects: nginx -t refuses each mistake around referral_convert, and says
# what is wrong and what would be right; what is right is taken

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use MIME::Base64 qw(encode_base64);

my $t = Referral->new;
my ($whsec, $next, $club) = map { 'whsec_' . encode_base64($_ x 32, '') }
                                qw(k n c);

$t->write_file('shops', "# ours\n\nshop main $whsec\nshop next $next\n"
                        . "club main $club\n", 0600);
$t->write_file('open', "shop main $whsec\n", 0604);
$t->write_file('empty', "# nobody\n", 0600);
$t->write_file('password', 'x:{PLAIN}y', 0600);

my %wrong = (
    'words'   => "shop main\n",
    'more'    => "shop main $whsec $whsec\n",
    'program' => "Shop! main $whsec\n",
    'id'      => "shop m*in $whsec\n",
    'prefix'  => "shop main " . encode_base64('k' x 32, '') . "\n",
    'base64'  => "shop main whsec_***\n",
    'short'   => 'shop main whsec_' . encode_base64('k' x 23, '') . "\n",
    'long'    => 'shop main whsec_' . encode_base64('k' x 65, '') . "\n",
    'twice'   => "shop main $whsec\nshop next $whsec\n",
    'name'    => "shop main $whsec\nshop main $next\n",
    'both'    => "shop main $whsec\nclub main $whsec\n",
);

$t->write_file("wrong.$_", "# first\n$wrong{$_}", 0600) for keys %wrong;

system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
       . " -keyout $t->{dir}/tls.key -out $t->{dir}/tls.crt"
       . " 2>> $t->{dir}/openssl.log") == 0
    or die "openssl failed";


sub conf {
    my ($lines, %o) = @_;

    return (http => 'referral_convert_keys %%DIR%%/shops;',
            server => "location /events { referral_program shop; $lines }",
            %o);
}


sub bad {
    my ($what, $re, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($output, $status) = $t->nginx_t(%o);
    my @lines = grep { /\[emerg\]/ } split /\n/, $output;

    is($status, 1, "$what: refused") or diag($output);
    like($lines[0] // '', $re, "$what: said so");
    like($lines[0] // '', qr/check\.conf:\d+/, "$what: said where");
    unlike($output, qr/\Q$whsec\E/, "$what: without the secret");
}


sub good {
    my ($what, %o) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my ($output, $status) = $t->nginx_t(%o);

    is($status, 0, "$what: taken");
    is(join("\n", grep { /\[(?:emerg|warn|error)\]/ } split /\n/, $output), '',
       "$what: without a word");
}


subtest 'referral_convert' => sub {
    good('signed', conf('referral_convert;'));
    good('twice, in two places', conf('referral_convert;',
         server => 'referral_program shop;
                    location /a { referral_convert; }
                    location /b { referral_convert; }'));
    good('a program of the URL',
         conf('', server => 'location ~ ^/events/(?<p>[a-z]+)$ {
                                 referral_program $p; referral_convert; }'));
    good('"if" in it', conf('referral_convert; if ($arg_x) { set $y 1; }'));
    good('"limit_except" in it',
         conf('referral_convert; limit_except POST { deny all; }'));

    bad('an argument', qr/invalid number of arguments in "referral_convert"/,
        conf('referral_convert shop;'));
    bad('twice', qr/"referral_convert" directive is duplicate/,
        conf('referral_convert; referral_convert;'));
    bad('beside another', qr/"referral_convert" directive stands in a location that has other contents already/,
        conf('proxy_pass http://127.0.0.1:1; referral_convert;'));
    bad('of a server', qr/"referral_convert" directive is not allowed here/,
        conf('', server => 'referral_convert;'));
    bad('in "if"', qr/"referral_convert" directive is not allowed here/,
        conf('if ($arg_x) { referral_convert; }'));
    bad('no program', qr/"referral_convert" needs a program: "referral_program shop;" for/,
        conf('', server => 'location /events { referral_convert; }'));
    bad('bodies in files', qr/"client_body_in_file_only" does not go with "referral_convert"/,
        conf('referral_convert; client_body_in_file_only on;'));
    bad('bodies in files, of the server',
        qr/"client_body_in_file_only" does not go with "referral_convert"/,
        conf('', server => 'client_body_in_file_only clean;
                            location /events { referral_program shop;
                                               referral_convert; }'));
    bad('no keys', qr/takes signed events, for which "referral_convert_keys" is missing/,
        conf('referral_convert;', http => ''));
};


subtest 'referral_convert_keys' => sub {
    bad('twice', qr/"referral_convert_keys" directive is duplicate/,
        conf('referral_convert;',
             http => 'referral_convert_keys %%DIR%%/shops;
                      referral_convert_keys %%DIR%%/shops;'));
    bad('of a location', qr/"referral_convert_keys" directive is not allowed here/,
        conf('referral_convert; referral_convert_keys %%DIR%%/shops;'));

    my %says = (
        'missing'       => qr/"referral_convert_keys" needs a file with a key a line, "PROGRAM KEY_ID whsec_BASE64": .*missing" failed \(2: No such file/,
        'open'          => qr/open" .*(?:0600|chmod)/,
        'empty'         => qr/"referral_convert_keys".*empty": no key; a line is "PROGRAM KEY_ID whsec_BASE64"/,
        'wrong.words'   => qr/wrong\.words" line 2: .*PROGRAM/,
        'wrong.more'    => qr/wrong\.more" line 2: /,
        'wrong.program' => qr/wrong\.program" line 2: a program is 1 to 64 of/,
        'wrong.id'      => qr/wrong\.id" line 2: the id of a key is 1 to 32 of/,
        'wrong.prefix'  => qr/wrong\.prefix" line 2: .*whsec_/,
        'wrong.base64'  => qr/wrong\.base64" line 2: .*base64/,
        'wrong.short'   => qr/wrong\.short" line 2: a secret has 24 to 64 bytes/,
        'wrong.long'    => qr/wrong\.long" line 2: a secret has 24 to 64 bytes/,
        'wrong.twice'   => qr/wrong\.twice" line 3: the program has this secret already/,
        'wrong.name'    => qr/wrong\.name" line 3: .*(?:twice|already)/,
        'wrong.both'    => qr/wrong\.both" line 3: this secret is another program's/,
    );

    bad($_, $says{$_}, conf('referral_convert;',
                            http => "referral_convert_keys %%DIR%%/$_;"))
        for sort keys %says;

    good('of nobody', conf('referral_convert; referral_convert_auth location;
                            allow 127.0.0.1; deny all;'));
};


subtest 'referral_convert_auth' => sub {
    my $location = 'referral_convert; referral_convert_auth location;';
    my $open = qr/"referral_convert_auth location" lets anybody send sales: .* are missing, for "referral_convert" in/;

    bad('a word', qr/"none".*"signature".*"location"/,
        conf('referral_convert; referral_convert_auth none;'));
    bad('twice', qr/is duplicate/,
        conf("$location referral_convert_auth signature;"));
    bad('no guard', $open, conf($location, http => ''));
    bad('no guard, said for all', $open,
        conf('referral_convert;', http => 'referral_convert_auth location;'));
    bad('allow without deny', $open,
        conf("$location allow 10.0.0.0/8; allow ::1;"));
    bad('allow all', $open, conf("$location allow all;"));
    bad('auth_request off', $open,
        conf('', server => "auth_request /ask;
             location /events { referral_program shop; $location
                                auth_request off; }"));
    bad('auth_basic off', $open,
        conf("$location auth_basic off;", server => "auth_basic x;
             auth_basic_user_file %%DIR%%/password;
             location /events { referral_program shop; $location
                                auth_basic off; }"));
    bad('ssl_verify_client optional', $open,
        conf('', servers => "server { listen 127.0.0.1:1 ssl;
             ssl_certificate %%DIR%%/tls.crt;
             ssl_certificate_key %%DIR%%/tls.key;
             ssl_client_certificate %%DIR%%/tls.crt;
             ssl_verify_client optional;
             location /events { referral_program shop; $location } }"));

    good('allow, deny', conf("$location allow 10.0.0.0/8; deny all;",
                             http => ''));
    good('allow, deny of IPv6', conf("$location allow ::1; deny all;",
                                     http => ''));
    good('allow, deny of the server', conf('', http => '',
         server => "allow 10.0.0.0/8; deny all;
                    location /events { referral_program shop; $location }"));
    good('auth_request', conf("$location auth_request /ask;", http => ''));
    good('auth_basic', conf("$location auth_basic shops;
                             auth_basic_user_file %%DIR%%/password;",
                            http => ''));
    good('ssl_verify_client', conf('', http => '',
         servers => "server { listen 127.0.0.1:1 ssl;
             ssl_certificate %%DIR%%/tls.crt;
             ssl_certificate_key %%DIR%%/tls.key;
             ssl_client_certificate %%DIR%%/tls.crt;
             ssl_verify_client on;
             location /events { referral_program shop; $location } }"));
    good('signature in one place, location for all others',
         conf('referral_convert; referral_convert_auth signature;',
              http => 'referral_convert_keys %%DIR%%/shops;
                       referral_convert_auth location;'));
};


subtest 'referral_convert_browser' => sub {
    good('on', conf('referral_convert; referral_convert_browser on;',
                    http => ''));
    bad('a word', qr/invalid value "yes" in "referral_convert_browser" directive, it must be "on" or "off"/,
        conf('referral_convert; referral_convert_browser yes;'));
    bad('of a server', qr/"referral_convert_browser" directive is not allowed here/,
        conf('referral_convert;', server => 'referral_convert_browser on;'));
};


subtest 'referral_convert_from' => sub {
    my $from = 'referral_convert_from $upstream_http_x_referral_event;';
    my $pass = 'proxy_pass http://127.0.0.1:1;';

    good('of a location', conf("$from $pass", http => ''));
    good('of all servers', conf($pass, http => $from));
    good('off again', conf("$pass referral_convert_from off;", http => $from));
    good('of another kind', conf("referral_convert_from \$upstream_cookie_event; $pass",
                                 http => ''));

    bad('a text', qr/a variable is right, such as "\$upstream_http_x_referral_event", or "off"/,
        conf('referral_convert_from x-referral-event;'));
    bad('an empty one', qr/a variable is right/,
        conf('referral_convert_from "";'));
    bad('twice', qr/is duplicate/, conf("$from $from"));
    good('a name that only begins alike',
         conf("referral_convert_from \$uri_event; $pass",
              http => 'map $upstream_http_e $uri_event {
                           default $upstream_http_e;
                       }'));

    for my $theirs (qw($http_x_referral_event ${arg_e} x$cookie_event
                       $request_body $uri)) {
        like($t->nginx_t(conf("referral_convert_from $theirs;")),
             qr/clients could send sales with it/, "$theirs is refused");
    }

    like($t->nginx_t(conf('referral_convert_from $nix;')),
         qr/unknown "nix" variable/, 'an unknown variable');
};


# how the answers of a server without it, and of one with, go out

subtest 'inheritance' => sub {
    my $shop = $t->free_port;

    $t->config(
        http => 'referral_convert_from $upstream_http_x_referral_event;
                 referral_program shop;',
        server => <<"END",
            location /all/ {
                proxy_pass http://127.0.0.1:$shop;

                location /all/nested/ {
                    proxy_pass http://127.0.0.1:$shop;
                }
            }

            location /off/ {
                referral_convert_from off;
                proxy_pass http://127.0.0.1:$shop;
            }

            location /other/ {
                referral_convert_from \$upstream_http_x_other;
                proxy_pass http://127.0.0.1:$shop;
            }
END
        servers => <<"END",
            server {
                listen 127.0.0.1:$shop;
                add_header X-Referral-Event "type=lead&event_id=\$arg_id&customer=c";
                add_header X-Other "type=lead&event_id=\$arg_id-2&customer=c";
                location / {
                    return 200 thanks;
                }
            }
END
    );
    $t->start;

    my %seen;

    for my $uri (qw(/all/ /all/nested/ /off/ /other/)) {
        my $r = $t->get("$uri?id=$uri");

        is($r->body, 'thanks', "$uri: the answer");
        $seen{$uri} = join ' ', map { defined $r->header($_) ? 1 : 0 }
                                    qw(X-Referral-Event X-Other);
    }

    is($seen{'/all/'}, '0 1', 'of http');
    is($seen{'/all/nested/'}, '0 1', 'of http, deeper');
    is($seen{'/off/'}, '1 1', 'off');
    is($seen{'/other/'}, '1 0', 'another header');

    ok((wait_for { 3 == $t->redis('XLEN', 'ref:conversions:{shop}') }),
       'three events');
    is(join(' ', sort map { $_->{event} }
                          $t->entries('ref:conversions:{shop}')),
       '/all/ /all/nested/ /other/-2', 'those that were asked for');

    # nowhere any more: what was accepted waits, which is said

    $t->reload(server => 'location / { return 200; }');

    ok((wait_for { $t->log =~ /the events in "[^"]*\/events" that redis does not have are not sent/ }),
       'no directive is left: the log tells of it');
};

$t->finish;
done_testing;
