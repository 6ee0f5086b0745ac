# protects: languages from the header to the landing: the choice among the
# program's languages, {lang} in the program's spelling, counters in one
# spelling, rules by language; and rules for countries under wrong codes

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";
use Referral;
use Referral::Cli;

my $t = Referral->new;

Referral::Cli->begin($t);

$t->program('shop', languages => 'en,pt-BR,zh_Hant,no,he');
$t->program('plain', state => 'active');
$t->link('shop', 'a', landing => 'https://shop.example.com/{lang}');
$t->link('shop', 'r', rules => <<'END');
lang=zh-tw https://shop.example.com/taiwan
lang=pt_BR https://shop.example.com/brazil
lang=iw https://shop.example.com/hebrew
lang=nb https://shop.example.com/norway
lang=!en https://shop.example.com/other
END
$t->link('plain', 'a', landing => 'https://shop.example.com/{lang|none}');

$t->config(server => <<'END');
        referral_landing https://shop.example.com/;
        referral_landing_args off;

        location /r/ {
            referral shop;
            add_header X-Lang $referral_lang;
        }

        location /p/ {
            referral plain;
        }
END

$t->start;

for (
    [ 'pt-br,pt;q=0.9', 'pt-BR', 'brazil' ],
    [ 'pt-PT', 'pt-BR', 'brazil' ],
    [ 'zh-TW,zh;q=0.9,en;q=0.8', 'zh_Hant', 'taiwan' ],
    [ 'zh_TW', 'zh_Hant', 'taiwan' ],
    [ 'nb-NO,nb;q=0.9,en-US;q=0.5', 'no', 'norway' ],
    [ 'iw-IL', 'he', 'hebrew' ],
    [ 'en-GB,fr;q=0.8', 'en', '' ],
    [ 'fr', 'en', '' ],
    [ 'en;q=0', 'pt-BR', 'brazil' ],
    [ "\xff\xfe,-,;q=,pt" . ',x' x 4000, 'pt-BR', 'brazil' ],
) {
    my ($accept, $lang, $rule) = @$_;
    my $name = substr $accept, 0, 40;

    my $r = $t->get('/r/a', lang => $accept);

    is($r->location, "https://shop.example.com/$lang", "$name: {lang}");
    is($r->header('X-Lang'), $lang, "$name: \$referral_lang");
    is($t->get('/r/r', lang => $accept)->location,
       "https://shop.example.com/$rule", "$name: rules");

    next if $accept =~ /[^ -~]/;

    is(j('link', 'test', 'shop', 'r', '--lang', $accept, '--default-landing',
         'https://shop.example.com/')->{url},
       "https://shop.example.com/$rule", "$name: link test");
}

$t->fields_are('ref:stats:{shop}',
               { 'lang:pt-br' => 8, 'lang:zh-hant' => 4, 'lang:no' => 2,
                 'lang:he' => 2, 'lang:en' => 4, 'fields:lang' => 5 },
               'counted in one spelling');

is($t->get('/p/a', lang => 'de_AT.UTF-8')->location,
   'https://shop.example.com/de-at', "without languages the visitor's own");
is($t->get('/p/a', lang => '*')->location, 'https://shop.example.com/none',
   'which may be none');


# countries that are none, or are called otherwise

my $uk = "country=UK https://shop.example.com/uk\n"
         . 'region=UK-ENG https://shop.example.com/england';

is(r('link', 'add', 'shop', 'uk', '--rules', $uk), 0, 'UK has one meaning');

for my $country (qw(UK GB uk gb)) {
    is(j('link', 'test', 'shop', 'uk', '--country', $country)->{url},
       'https://shop.example.com/uk', "and $country matches it");
}

for ([ 'country=JA', qr/line 1: "JA" is no country of ISO 3166; is it "JP"/ ],
     [ 'country=!XX', qr/line 1: "XX" is no country of ISO 3166/ ],
     [ 'region=AN-1', qr/line 1: "AN" is no country/ ],
     [ "country=DE,FR,SU", qr/line 1: "SU" is no country/ ])
{
    my ($condition, $words) = @$_;

    is(r('link', 'add', 'shop', 'none', '--rules',
         "$condition https://shop.example.com/x"), 3, "$condition: refused");
    like($err, $words, 'with a word');
}

is(r('link', 'test', 'shop', 'uk', '--country', 'EN'), 3,
   'nor can a visitor come from there');

done_testing;
