# protects: that a feature is one new file: the example of CONTRIBUTING.md is
# built beside the others, from a folder of its own and with public headers
# alone, and answers; and the module that is shipped does not know it
#
# Runs without sanitizers: it builds a module for nginx as Debian ships it

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Sources;

my $top = $Sources::TOP;
my $example = "$FindBin::Bin/example";
my $name = 'ngx_http_referral_example_module';

# what it includes is no private header, and no feature's

my $text = slurp("$example/$name.c");
my @wrong = grep { /_core\.h$/ || /^ngx_http_referral_redis\.h$/
                   || !-f "$top/src/http/$_" && !-f "$top/src/http/conf/$_" }
            $text =~ /^#include "([^"]+)"/mg;

is("@wrong", '', 'its headers are public');

like(`nm -D --defined-only $top/build/ngx_http_referral_module.so`,
     qr/ngx_modules/, 'the module that is shipped is there');
ok(index(slurp("$top/build/ngx_http_referral_module.so"),
         'referral_example') == -1, 'and has no example in it');

# no optimization: it is built to be asked, not to be fast

my $dir = tempdir('referral-XXXXXXXX', TMPDIR => 1, CLEANUP => 1);

my $built = system('bash', '-c', <<'END', $top, $dir, $example) == 0;
    cp -r /usr/share/nginx/src "$1/nginx" && cd "$1/nginx" || exit 1
    export REFERRAL_EXTRA=$2

    . ./conf_flags

    {
        ./configure "${NGX_CONF_FLAGS[@]}" --add-dynamic-module="$0" \
            --with-cc-opt="-O0 -Wall -Wextra -Werror -Wno-unused-parameter -fPIC" \
            --with-ld-opt= &&
        make -s -j2 -f objs/Makefile modules
    } > ../log 2>&1
END

ok($built, 'it builds') or do { diag(slurp("$dir/log")); done_testing; exit };

my $module = "$dir/nginx/objs/ngx_http_referral_module.so";

is(join(' ', `nm -D --defined-only $module` =~ /(\w+)$/mg),
   'ngx_module_names ngx_module_order ngx_modules',
   'with it the library exports no more than without');

local $ENV{TEST_NGINX_MODULE} = $module;

my $server = <<'END';
        referral_landing https://shop.example.com/;
        referral_program shop;

        location /r/ {
            referral;
        }

        location = /whose {
            referral_example;
        }
END

my $t = Referral->new;

$t->link('shop', 'aiko7');
$t->config(server => $server);
$t->start;

is($t->get('/whose')->status, 404, 'nobody led here: 404');

my $cookie = $t->get('/r/aiko7')->cookie('ref_shop');

is($t->get('/whose', cookie => $cookie)->body, "shop aiko7\n",
   'the program and the code of the referral');
is($t->head('/whose', cookie => $cookie)->status, 200, 'HEAD');
is($t->request('POST', '/whose', cookie => $cookie)->status, 405, 'POST');

# what the core does for every feature

$server =~ s/(?=referral_example)/return 200;\n/;

like(scalar $t->nginx_t(server => $server),
     qr/"return" of this location comes first, no request would ever reach "referral_example" in \S+:\d+/,
     'a feature that is never reached is warned of');

done_testing;


sub slurp {
    my ($path) = @_;

    open my $f, '<:raw', $path or die "$path: $!";
    local $/;

    return scalar <$f>;
}
