# protects: the manual: its links lead somewhere, it knows each directive,
# variable, metric and log line of the module and no others, nginx takes its
# examples, and its commands run

use strict;
use warnings;
no warnings 'portable';
use utf8;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;

use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path);

my $root = $Referral::ROOT;

my @pages = ('README.md', map { "docs/" . basename($_) }
                          sort glob "$root/docs/*.md");

my %text = map { $_ => slurp("$root/$_") } @pages, 'CONTRIBUTING.md';

cmp_ok(scalar(@pages), '>=', 20, 'pages');


# --- form ---

subtest 'form' => sub {
    my @lines = split /\n/, $text{'README.md'};

    cmp_ok(scalar(@lines), '<=', 200, 'README is short');

    for my $page (@pages) {
        my $n = 0;
        my @long;

        for my $line (split /\n/, $text{$page}) {
            $n++;

            # a line of a log or of an ACL file is one line

            next if $line =~ /^\*\*`\[\w+\] / || $line =~ /^    user [\w-]+ on /;

            # so is what is said of a text of rules: t/reports/rewards_manual.t

            next if $line =~ /^\w+\.rules:\d+:\d+: (?:warning|mistake): /;

            my $most = $line =~ /^\|/ ? 300 : 120;

            next if length($line) <= $most || $line =~ m{^\S*https?://\S+$};

            push @long, $n;
        }

        is("@long", '', "$page: no line is too long");
        like($text{$page}, qr/\A# \S.*\n\n\S/, "$page: title, then text");
        unlike($text{$page}, qr/^#.*\n(?!\n)/m, "$page: headings stand alone");
    }
};


# --- links ---

my %anchors = map { $_ => anchors($text{$_}) } keys %text;

subtest 'links' => sub {
    my %linked;

    for my $page (sort keys %text) {
        my $prose = prose($text{$page});

        while ($prose =~ /\]\(([^)\s]+)\)/g) {
            my $link = $1;

            next if $link =~ m{^https?://};

            my ($path, $anchor) = split /#/, $link, 2;
            my $target = $path eq '' ? $page : beside($page, $path);

            $linked{$target} = 1 if $page eq 'README.md';

            ok(-e "$root/$target", "$page: $link") or next;

            ok($anchors{$target}{$anchor}, "$page: $link, its anchor")
                if defined $anchor;
        }
    }

    ok($linked{$_}, "README leads to $_") for grep { /^docs/ } @pages;
};


subtest 'files that the manual names' => sub {
    for my $page (@pages) {
        my %named = map { $_ => 1 } $text{$page} =~
            m{(?<![\w/.-])((?:t|conf|scripts|bench|tools|auto)/[\w./-]*\w)}g;

        ok(-e "$root/$_", "$page: $_") for sort keys %named;
    }
};


# --- what the module has ---

my %source;

find({ no_chdir => 1, wanted => sub {
    $source{$_} = slurp($_) if /\.[ch]$/;
} }, "$root/src");

my $source = join "\n", map { $source{$_} } sort keys %source;

my %directive = $source =~ /\{\s*ngx_string\("(referral\w*)"\),\s*
                            (NGX_\w+_CONF\b[^,]*),/gx;

my %variable = map { $_ => 1 }
    $source =~ /\{\s*ngx_string\("(referral_\w+)"\),\s*NULL,/g;

my %metric = map { $_ => 1 }
             map { $source{$_} =~ /"(?:\#[ ]HELP[ ])?(referral_\w+)[" ]/gx }
             grep { /metrics\w*\.c$/ } keys %source;

$metric{$_} = 1 for slurp("$root/scripts/nginx_referral/relay/metrics.py")
                    =~ /^    \("(referral_relay_\w+)",/mg;

delete $metric{referral_metrics};       # the directive


subtest 'directives' => sub {
    my @sections = split /^### /m, $text{'docs/directives.md'};
    my %section = map { /^(\S+)\n(.*)/s } @sections[1 .. $#sections];

    is_deeply([ sort keys %section ], [ sort keys %directive ],
              'each has its heading, and none is made up');

    for my $name (sort keys %directive) {
        my $section = $section{$name} // next;
        my @context = map { $directive{$name} =~ /_$_->[0]_CONF/ ? $_->[1] : () }
                      [ MAIN => 'http' ], [ SRV => 'server' ],
                      [ LOC => 'location' ];

        like($section, qr/\A\n {4}Syntax:   \Q$name\E\b/, "$name: Syntax");
        like($section, qr/^ {4}Default:  \S/m, "$name: Default");
        is(($section =~ /^ {4}Context:  (.*)$/m)[0] // '',
           join(', ', @context), "$name: Context");
        like($section, qr/^```nginx\n[^`]*\b\Q$name\E\b/m, "$name: an example");
    }
};


subtest 'variables' => sub {
    my %row = map { $_ => 1 }
              $text{'docs/variables.md'} =~ /^\| `\$(\w+)` \|/mg;

    is_deeply([ sort keys %row ], [ sort keys %variable ],
              'each has its row, and none is made up');

    for my $page (@pages) {
        my %own = map { $_ => 1 } $text{$page} =~ /^map \S+ \$(\w+) /mg;
        my @unknown = grep { !$variable{$_} && !$own{$_} }
                      $text{$page} =~ /\$(referral_\w+)/g;

        is("@unknown", '', "$page: no variable that is not there");
    }
};


subtest 'metrics' => sub {
    my %row = map { $_ => 1 } map { /`(referral_\w+)`/g }
              $text{'docs/metrics.md'} =~ /^\| (`referral_[^|]*) \|/mg;

    is_deeply([ sort keys %row ], [ sort keys %metric ],
              'each has its row, and none is made up');
};


subtest 'names' => sub {
    for my $page (@pages) {
        my @unknown = grep { !$directive{$_} && !$metric{$_} }
                      $text{$page} =~ /(?<![\$\w])(referral_[a-z_]+)\b/g;

        # a program of the build

        @unknown = grep { $_ ne 'referral_bots_test' } @unknown;

        is("@unknown", '', "$page: no directive and no metric that is not there");
    }
};


# Capitals, "…" and letters alone stand for what varies, and the module puts
# words into some lines: so a line's words have to be those of one text of the
# module, or of short ones.

subtest 'log lines' => sub {
    my (@said, %short);

    while ($source =~ /((?:"(?:[^"\\\n]|\\.)*"\s*)+)/g) {
        my %words = map { $_ => 1 } $1 =~ s/"\s*"//gr =~ /[a-z]{3,}/g;

        push @said, \%words if %words;
        %short = (%short, %words) if keys %words < 4;
    }

    my @lines = $text{'docs/troubleshooting.md'} =~ /^\*\*`\[\w+\] (.*)`\*\*$/mg;

    cmp_ok(scalar(@lines), '>', 50, 'lines');

    for my $line (@lines) {
        next if $line =~ /^worker process/;     # nginx's own

        my @words = $line =~ s/"[^" ]*[=:{][^"]*"//gr =~ /[a-z]{3,}/g;
        my $best = 0;

        for my $words (@said) {
            my $known = grep { $words->{$_} } @words;

            next if $known < 0.5 * @words;

            $known = grep { $words->{$_} || $short{$_} } @words;
            $best = $known if $known > $best;
        }

        cmp_ok($best, '==', scalar @words, $line);
    }
};


# --- a machine for the examples ---

my $t = Referral->new;
my $dir = $t->dir;

make_path("$dir/etc/conf.d", "$dir/bin", "$dir/work");

copy($t->geo . "/city.mmdb", "$dir/GeoLite2-City.mmdb") or die "copy: $!";
copy($t->geo . "/asn.mmdb", "$dir/GeoLite2-ASN.mmdb") or die "copy: $!";

# the paths of the manual, in the test's directory

sub here {
    my ($text) = @_;

    my $port = $t->port;

    $text =~ s{/etc/nginx/}{$dir/etc/}g;
    $text =~ s{/var/log/nginx/}{$dir/}g;
    $text =~ s{/var/lib/nginx/referral|/srv/referral}{$dir/journal}g;
    $text =~ s{\blisten 80;}{listen 127.0.0.1:$port;}g;
    $text =~ s{\b127\.0\.0\.1:6379\b}{127.0.0.1:$t->{redis_port}}g;
    $text =~ s{http://127\.0\.0\.1/}{http://127.0.0.1:$port/}g;

    return $text;
}


# --- nginx ---

subtest 'nginx -t' => sub {
    $t->write_file('etc/referral.key', '0' x 64 . "\n", 0600);
    $t->write_file('etc/referral.redis', "secret\n", 0600);
    $t->write_file('etc/referral.shops', "shop key1 whsec_" . 'a' x 44 . "\n",
                   0600);
    copy("$root/conf/bots.list", "$dir/etc/bots.list") or die "copy: $!";

    my $n = 0;

    for my $page (@pages) {
        for my $block (fenced($text{$page}, 'nginx')) {
            my ($output, $status) = $t->nginx_t(in_place(here($block)));
            my @said = grep { /\[(?:warn|error|crit|alert|emerg)\]/ }
                       split /\n/, $output;
            my ($first) = $block =~ /(\S.*)/;

            is($status, 0, "$page: $first: taken") or diag($output);
            is("@said", '', "$page: $first: without a word");
            $n++;
        }
    }

    cmp_ok($n, '>=', 30, 'examples');

    # what a default is said to be can be written there

    for my $default ($text{'docs/directives.md'}
                     =~ /^ {4}Default:  (referral\w*(?: [^;]*);)$/mg)
    {
        my ($output, $status) = $t->nginx_t(in_place(here($default)));

        is($status, 0, "$default is taken") or diag($output);
    }
};


# The parts of config() for an example: a whole configuration, or a part, which
# goes where its directive may be, beside a short link.

sub in_place {
    my ($block) = @_;

    my ($word) = $block =~ /^(\w+)/;

    if ($block =~ s/^events \{ (.*) \}$//m) {
        return (bare => 1, main => $block =~ s/^error_log .*$//mr,
                events => $1);
    }

    return (http => $block) if $block =~ /^server \{/m;

    my $flags = $word eq 'location' ? 'NGX_HTTP_SRV_CONF' : $directive{$word};

    die "where does this go?\n$block" unless $flags;

    my ($http, $server) = $flags =~ /_SRV_/ ? ('', $block)
                        : $flags =~ /_MAIN_/ ? ($block, '')
                        : ('', "location /here { $block }");

    $server .= "referral_landing https://shop.example.com/welcome;\n"
        unless $server =~ /^referral_landing\s/m;

    $server .= "referral_cookie ref domain=example.com;\n"
        unless $server =~ /referral_cookie\s/;

    $server .= "location /another/ { referral shop; }\n";

    return (http => $http, servers => 'server { listen 127.0.0.1:' . $t->port
                                      . "; server_name go.example.com;\n"
                                      . "$server }");
}


# --- commands ---

# blocks that are no commands, or that cannot run here: page, how the block
# begins, why

my @not_run = (
    [ 'README.md', 'friend ', 'a picture' ],
    [ 'README.md', 'scripts/demo', 't/click/demo.t runs it; the other is this' ],
    [ 'docs/install.md', 'scripts/package', 't/package/install.t does it' ],
    [ 'docs/install.md', 'scripts/install-packages',
      't/package/install.t does it' ],
    [ 'docs/install.md', 'apt-get install redis-server',
      't/package/install.t does it' ],
    [ 'docs/directives.md', 'Syntax:', 'no commands' ],
    [ 'docs/links.md', 'country=JP,KR', 'rules: the next block reads them' ],
    [ 'docs/templates.md', '{code}', 'placeholders' ],
    [ 'docs/conversions.md', 'X-Referral-Event', 'a header' ],
    [ 'docs/redis-keys.md', 'CODE VISITOR', 'a value' ],
    [ 'docs/redis-keys.md', 'type click_id', 'names of fields' ],
    [ 'docs/redis.md', 'appendonly yes', 'redis.conf: set below' ],
    [ 'docs/redis.md', 'user referral', 'an ACL file: t/redis/acl.t' ],
    [ 'docs/conversions-keys.md', 'user referral-events',
      'an ACL file: t/redis/append.t' ],
    [ 'docs/operations.md', '[Service]', 'a unit: t/package/install.t' ],
    [ 'docs/redis.md', 'user settle', 'an ACL file: t/program/settle.t' ],
    [ 'docs/redis.md', 'user reports', 'an ACL file: t/redis/acl_events.t' ],
    [ 'docs/redis-keys.md', 'FRIEND ENTRY', 'a value' ],
    [ 'docs/settle.md', 'redis ', 'a configuration: made below' ],
    [ 'docs/settle.md', 'systemctl', 'the package' ],
    [ 'docs/settle.md', '[Service]', 'a unit' ],
    [ 'docs/settle.md', 'nginx-referral-settle --skip',
      't/program/settle.t does it' ],
    [ 'docs/redis.md', 'user relay', 'an ACL file: t/web/relay_acl.t' ],
    [ 'docs/redis.md', 'user web', 'an ACL file: t/web/api.t' ],
    [ 'docs/webhooks.md', 'webhook-id:', 'headers' ],
    [ 'docs/api.md', 'curl', 't/web/api.t asks it' ],
    [ 'docs/api.md', 'scripts/referral key', 't/web/api.t does it' ],
    [ 'docs/api.md', 'REFERRAL_REDIS=', 't/web/api.t starts it' ],
    [ 'docs/webhooks.md', 'redis ', 'a configuration: t/web/relay.t' ],
    [ 'docs/webhooks.md', 'systemctl', 'the package' ],
    [ 'docs/troubleshooting.md', 'referral click:', 'a log: t/click/debug_log.t' ],
);

# what a block says: page, how it begins, its output

my @says = (
    [ 'docs/install.md', 'nginx-referral program',
      qr{^HTTP/1\.1\ 302\ .*^Set-Cookie:\ ref_shop=.*
         ^Location:\ https://shop\.example\.com/welcome
         \?ref=aiko7&click_id=}msx ],
    [ 'docs/install.md', 'redis-cli HGETALL', qr/^clicks\n1$/m ],
    [ 'docs/metrics.md', 'curl', qr/^referral_hits_total\{.*\} 1$/m ],
    [ 'docs/links.md', 'scripts/referral program',
      qr{https://shop\.example\.com/ja/matcha} ],
    [ 'docs/redis-keys.md', 'scripts/referral click', qr/\baiko7\b/ ],
    [ 'docs/redis-keys.md', 'id=',
      qr/^aiko7 VISITOR = = = = JP - - mobile aiko vip -$/m ],
    [ 'docs/people.md', 'cp ', qr/\bbot\b/ ],
    [ 'docs/command-line.md', 'scripts/referral program', qr/^0 recorded, 2 un/m ],
    [ 'docs/command-line.md', 'export', qr/^event_id +sale-1001$/m ],
    [ 'docs/journal.md', 'scripts/referral reset', qr/\bclicks\b/ ],
    [ 'docs/recipes.md', 'export', qr/^via +click$/m ],
    [ 'docs/recipes.md', 'redis-cli HMGET', qr/^1\n4990$/m ],
);

# in an order in which each finds what it needs

my @order = qw(README.md docs/install.md docs/metrics.md docs/links.md
               docs/redis-keys.md docs/redis.md docs/people.md
               docs/command-line.md docs/recipes.md docs/journal.md);

my %click;

subtest 'commands' => sub {
    machine();

    my (%seen, %used);

    for my $page (@order, grep { my $p = $_; !grep { $_ eq $p } @order } @pages) {
        prepare($page);

        for my $block (indented($text{$page})) {
            my ($first) = $block =~ /(\S.*)/;
            my ($why) = grep { $_->[0] eq $page && begins($first, $_->[1]) }
                        @not_run;

            if ($why) {
                $used{"@$why"} = 1;
                note("not run: $page: $first: $why->[2]");
                next;
            }

            my $out = commands($page, $first, $block);

            for my $says (grep { $_->[0] eq $page && begins($first, $_->[1]) }
                          @says)
            {
                like($out, $says->[2], "$page: $first: its output");
                $used{"@$says[0, 1]"} = 1;
            }

            $seen{$page}++;
        }
    }

    ok($used{"@$_"}, "$_->[0]: has the block $_->[1]") for @not_run;
    ok($used{"@$_[0, 1]"}, "$_->[0]: ran $_->[1]") for @says;
    ok($seen{$_}, "$_: has commands") for @order;

    for my $line (map { split /\n/ } grep { /^appendonly/ }
                  indented($text{'docs/redis.md'}))
    {
        is(eval { $t->redis('CONFIG', 'SET', split ' ', $line) } // $@, 'OK',
           "Redis takes \"$line\"");
    }
};


done_testing;


sub begins { return index($_[0], $_[1]) == 0 }


# programs under the names that the manual gives them, and a directory that
# looks like the checkout

sub machine {
    symlink "$root/$_", "$dir/work/$_" for qw(scripts conf build);
    symlink "$root/scripts/referral", "$dir/bin/nginx-referral";

    my @nginx = $t->nginx_command('nginx.conf');

    $t->write_file('bin/nginx', "#!/bin/sh\nexec @nginx \"\$\@\"\n", 0755);

    my ($cli) = grep { -x } map { "/usr/bin/$_-cli" } qw(redis valkey);

    $t->write_file('bin/redis-cli', "#!/bin/sh\nexec $cli"
                   . " -p $t->{redis_port} \"\$\@\"\n", 0755);

    # Debian's

    $t->write_file('etc/nginx.conf', "error_log $dir/error.log;\n");
}


# what a page takes for granted

sub prepare {
    my ($page) = @_;

    if ($page eq 'docs/install.md') {
        $t->redis('FLUSHALL');
        $t->config(http => join "\n", map { here($_) }
                   map { (fenced($text{"docs/$_.md"}, 'nginx'))[0]
                         =~ s/server_name go\.\S+/$_ eq 'conversions'
                              ? 'server_name 127.0.0.1;' : $&/er }
                   qw(install metrics conversions));
        return;
    }

    if ($page eq 'docs/links.md') {
        my ($rules) = grep { /^country=/ } indented($text{$page});

        $t->write_file('work/rules.txt', $rules);
        return;
    }

    if ($page eq 'docs/redis-keys.md') {
        my ($value) = $text{$page} =~ /^as in `(aiko7 [^`]+)`/m;
        my ($id) = $text{$page} =~ /^    id=(\S+)$/m;
        my @now = gmtime(hex(substr $id =~ s/-//gr, 0, 12) / 1000);
        my $minute = sprintf '%04d-%02d-%02dT%02d:%02d', $now[5] + 1900,
                             $now[4] + 1, @now[3, 2, 1];

        $t->redis('HSET', "ref:clicks:{shop}:$minute", $id, $value);
        return;
    }

    if ($page eq 'docs/settle.md') {
        symlink "$root/build/nginx-referral-settle",
                "$dir/bin/nginx-referral-settle";

        # the stream of the pages before, to replay

        settled();
        return;
    }

    if ($page eq 'docs/recipes.md') {
        ($click{id}) = $t->get('/r/aiko7', host => '127.0.0.1')->location
                       =~ /click_id=([^&]+)/;

        wait_for {
            grep { $t->redis('HEXISTS', $_, $click{id}) }
                @{ $t->redis('KEYS', 'ref:clicks:{shop}:*') }
        };
        return;
    }

    if ($page eq 'docs/command-line.md') {
        $t->write_file('work/links.csv', "code,referrer,name\n"
                       . "bruno2,bruno,Bruno Silva\n");
        $t->write_file('work/customers.txt', "c1\nc2\n");
        $t->write_file('work/friends.csv', "at,type,customer,referrer,order_id,"
                       . "amount,currency\n2026-12-01,sale,c1,aiko,1,6000,EUR\n");
        $t->write_file('work/orders.csv', "customer,order_id,amount,currency\n"
                       . "c1,1,100,EUR\nc2,2,200,EUR\n");
    }
}


# Runs a block line by line in one shell; each line has to succeed. Of
# scripts/referral 1 is an answer, too: "no", or "nothing is there".

sub commands {
    my ($page, $first, $block) = @_;

    if ($page eq 'docs/install.md' && $first =~ /^nginx-referral program/) {
        $t->start;
    }

    # a process that runs, in the manual

    settled() if $page eq 'docs/recipes.md' && $first =~ /^redis-cli/;

    $block = here($block);
    $block =~ s/CLICK_ID/$click{id}/g if $click{id};
    $block =~ s/\bjournal check FILE\b/"journal check " . segment()/ge;
    $block =~ s/\btail shop$/tail shop --no-follow/m;
    $block =~ s/\breset shop$/reset shop --yes/m;    # there is no terminal

    my $script = '';

    for my $line (split /(?<!\\)\n/, $block) {
        my $most = $line =~ m{^(?:scripts/|nginx-)referral } ? 1 : 0;
        my $quoted = $line =~ s/'/'\\''/gr;

        $script .= "$line\nrc=\$?; [ \$rc -le $most ]"
                   . " || printf '%s: %s\\n' \$rc '$quoted' >&3\n";
    }

    my $file = $t->write_file('block.sh', encoded($script));

    local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
    local $ENV{REFERRAL_REDIS} = "127.0.0.1:$t->{redis_port}";
    local $ENV{REFERRAL_JOURNAL} = "$dir/journal";
    local $ENV{REFERRAL_CONVERT_URL} = here('http://127.0.0.1/events');
    local $ENV{REFERRAL_CONVERT_KEY_FILE} = "$dir/etc/referral.shops";

    my $out = `cd $dir/work && bash $file < /dev/null 3> $dir/failed 2>&1`;

    is($t->read_file('failed'), '', "$page: $first") or diag($out);

    if ($page eq 'docs/install.md' && $out =~ /click_id=([0-9a-f-]{36})/) {
        $click{id} = $1;

        wait_for { $t->hgetall('ref:stats:{shop}')->{clicks} };
    }

    return $out;
}


# what the settler would have done by now

sub settled {
    system("$root/build/nginx-referral-settle", '--once', '--redis',
           "127.0.0.1:$t->{redis_port}");
}


# a file of the journal

sub segment {
    my ($segment) = sort glob "$dir/journal/slot-*/*";

    return $segment // die "no journal\n";
}


# --- Markdown ---

# a page without its blocks and inline code

sub prose {
    my ($text) = @_;

    $text =~ s/^```.*?^```$//msg;
    $text =~ s/^ {4}\S.*$//mg;

    return $text;
}


# as GitHub makes them from headings

sub anchors {
    my ($text) = @_;

    my (%anchor, %times);

    $text =~ s/^```.*?^```$//msg;

    while ($text =~ /^#+ (.*)$/mg) {
        my $anchor = lc $1;

        $anchor =~ s/[^\w\- ]//g;
        $anchor =~ tr/ /-/;

        my $n = $times{$anchor}++;

        $anchor{ $n ? "$anchor-$n" : $anchor } = 1;
    }

    return \%anchor;
}


sub beside {
    my ($page, $path) = @_;

    $path = dirname($page) . "/$path";
    $path =~ s{^\./}{};
    1 while $path =~ s{[^/.]+/\.\./}{};

    return $path;
}


sub fenced {
    my ($text, $language) = @_;

    return $text =~ /^```\Q$language\E\n(.*?)^```$/msg;
}


# blocks of lines that are indented by four, after an empty line

sub indented {
    my ($text) = @_;

    $text =~ s/^```.*?^```$//msg;

    return map { s/^ {4}//mgr } $text =~ /(?<=\n\n)((?: {4}.*\n)+)/g;
}


sub slurp {
    my ($file) = @_;

    open my $f, '<:encoding(UTF-8)', $file or die "$file: $!";
    local $/;

    return scalar <$f>;
}


sub encoded {
    my ($text) = @_;

    utf8::encode($text);

    return $text;
}
