# protects: the hardening flags of compiler and linker are in effect, and the
# module exports nothing but the three names that nginx looks up

use strict;
use warnings;

use FindBin;
use Test::More;

my $build = "$FindBin::Bin/../../build";
my $module = "$build/ngx_http_referral_module.so";
my @tools = map { "$build/$_" } qw(referral_link_test referral_journal_check
                                  nginx-referral-settle);

is(join(' ', sort map { (split)[-1] } lines('nm', '-D', '--defined-only',
                                            $module)),
   'ngx_module_names ngx_module_order ngx_modules',
   'the module exports what nginx looks up');

is(join(' ', grep { /^redis/ } map { (split)[-1] }
                  lines('nm', '-D', '--undefined-only', $module)),
   '', 'hiredis is inside, not somebody else\'s');

for my $file ($module, @tools) {
    my ($name) = $file =~ m{([^/]+)$};

    my $dynamic = join "\n", lines('readelf', '-dW', $file);
    my $segments = join "\n", lines('readelf', '-lW', $file);
    my @imports = map { (split)[-1] } lines('nm', '-D', '--undefined-only',
                                            $file);

    like($dynamic, qr/\bBIND_NOW\b|\bNOW\b/, "$name: bound at load");
    unlike($dynamic, qr/TEXTREL/, "$name: code is not relocated");
    unlike($dynamic, qr/R(?:UN)?PATH/, "$name: no path of libraries");
    like($segments, qr/GNU_RELRO/, "$name: tables are read-only");
    like($segments, qr/GNU_STACK.*RW\s/, "$name: the stack is no code");
    unlike($segments, qr/LOAD.*RWE/, "$name: nothing is written and run");

    ok((grep { /^__stack_chk_fail/ } @imports), "$name: guarded stacks");
    ok((grep { /^__\w+_chk(?:@|$)/ } @imports), "$name: checked copies");

    my @wanted = qw(-fstack-protector-strong -fstack-clash-protection);

    push @wanted, '-fcf-protection' if `uname -m` =~ /x86_64/;
    push @wanted, '-mbranch-protection' if `uname -m` =~ /aarch64/;

    my @units = grep { /DW_AT_producer.*GNU C/ }
                lines('readelf', '--debug-dump=info', $file);

    ok(@units > 10, "$name: says how it was compiled");

    for my $flag (@wanted) {
        is(scalar(grep { !/\Q$flag\E/ } @units), 0, "$name: $flag");
    }
}

like(join("\n", lines('readelf', '-hW', $tools[0])), qr/Type:\s+DYN/,
     'the tools lie where the loader wants them');

done_testing;


sub lines {
    my (@command) = @_;

    open my $out, '-|', @command or die "$command[0]: $!";
    my @lines = <$out>;
    close $out or die "@command: $?";

    chomp @lines;

    return @lines;
}
