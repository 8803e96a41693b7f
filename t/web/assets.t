#!/usr/bin/perl
# How the pages are served: addresses, types, caching, security policy, size; nothing inline, nothing
# from elsewhere.
use strict;
use warnings;
use JSON::PP ();
use List::Util qw(sum0);
use Test::More;
use Smarter::Test;

allow_log(qr{AH10244: invalid URI path});
need('httpd');
plan skip_all => 'the pages are not built' if !$ENV{SMARTER_TEST_ALL} && !(-d top() . '/web/dist/assets');

is(get('/')->{headers}{location}, url('/assets/public/landing.html'), '/ leads to the entry page');

my (%seen, %scripts, %say);
for my $page (qw(/assets/public/landing.html /assets/public/error.html /assets/html/index.html /assets/html/comparingPopulations.html /assets/html/downloads.html /assets/html/sessions.html)) {
    my $answer = get($page);
    is($answer->{status}, 200, $page);
    is($answer->{headers}{'content-type'}, 'text/html; charset=utf-8', 'type');
    is($answer->{headers}{'cache-control'}, 'no-cache', 'is asked for each time');
    like($answer->{headers}{'content-security-policy'}, qr/script-src 'self'; style-src 'self';/, 'no inline code by policy');
    my $modified = $answer->{headers}{'last-modified'};
    is(get($page, headers => { 'If-Modified-Since' => $modified })->{status}, 304, 'and not sent again') if ok($modified, 'has a date');
    my $html = $answer->{body};
    unlike($html, qr/<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:/i, 'nothing inline');
    unlike($html, qr{(?:src|href|action)="(?:https?:)?//}i, 'nothing from elsewhere');
    unlike($html, qr/\{\{/, 'no placeholder left');
    my @parts = $html =~ m{(?:src|href)="(/assets/immutable/[^"]+)"}g;
    cmp_ok(scalar @parts, '>=', 4, 'refers to script, style, icon, font');
    $seen{$_} = 1 for @parts;
    $scripts{$page} = [grep { /\.js\z/ } @parts];
    $say{$page} = [$html =~ /data-msg="([^"]+)"/g];
}

my %type = (js => 'text/javascript', css => 'text/css', svg => 'image/svg+xml', woff2 => 'font/woff2');
my (%size, %text); # bytes, and packed
for my $part (sort keys %seen) {
    my $answer = get($part);
    my ($ending) = $part =~ /\.(\w+)\z/;
    is($answer->{status}, 200, $part);
    is($answer->{headers}{'content-type'}, $type{$ending}, 'type');
    is($answer->{headers}{'cache-control'}, 'public, max-age=31536000, immutable', 'is kept for good');
    like($part, qr/-[0-9A-Za-z]{8,}\.\w+\z/, 'because its name tells its content');
    next unless $ending =~ /\A(?:js|css)\z/;
    my $packed = get($part, headers => { 'Accept-Encoding' => 'gzip' });
    is($packed->{headers}{'content-encoding'}, 'gzip', 'travels packed') if length $answer->{body} > 1024;
    $size{$part} = [length $answer->{body}, length $packed->{body}];
    $text{$part} = $answer->{body};
    my %hosts = map { $_ => 1 } $answer->{body} =~ m{https?://([\w.-]+)}g;
    delete @hosts{qw(www.w3.org lit.dev localhost)};    # names of XML spaces, texts of errors
    is_deeply([keys %hosts], [], 'names no other host');
}

for my $page (sort keys %scripts) {
    my @of = map { $size{$_} } @{ $scripts{$page} };
    cmp_ok(sum0(map { $_->[0] } @of), '<', 110 * 1024, "the scripts $page begins with are small");
    cmp_ok(sum0(map { $_->[1] } @of), '<', 40 * 1024, 'smaller yet as they travel');
}

# What only another page says no page brings along; what its own HTML says it does.
my %own = (landing => ['landing'], error => ['error'], index => ['dispatch'], comparingPopulations => ['report'], downloads => [qw(lists downloads)], sessions => [qw(lists sessions)]);
my $locales = top() . '/web/locales/en';
my @catalogues = map { m{(\w+)\.json\z} } glob "$locales/*.json";
cmp_ok(scalar @catalogues, '>=', 9, 'texts by page');
for my $page (sort keys %scripts) {
    my ($name) = $page =~ m{(\w+)\.html\z};
    my $script = join '', @text{ @{ $scripts{$page} } };
    for my $catalogue (@catalogues) {
        my @keys = keys %{ JSON::PP->new->utf8->decode(slurp("$locales/$catalogue.json")) };
        my @there = grep { index($script, qq("$_":)) >= 0 } grep { /\./ } @keys;
        my $mine = grep { $_ eq $catalogue } 'common', @{ $own{$name} };
        is(scalar @there, $mine ? scalar(grep { /\./ } @keys) : 0, "$name: $catalogue is " . ($mine ? 'there, whole' : 'another page\'s'));
    }
    is_deeply([grep { index($script, qq("$_":)) < 0 } @{ $say{$page} }], [], "$name can say in every language what its HTML says");
}

is(get('/assets/immutable/none.js')->{status}, 404, 'what is not there is not there');
unlike(get('/assets/immutable/none.js')->{headers}{'cache-control'} // '', qr/immutable/, 'and that is not kept');
isnt(get('/assets/')->{status}, 200, 'no listing of directories');
isnt(get("/assets/$_")->{status}, 200, "no way out by $_") for '../../etc/passwd', '%2e%2e/%2e%2e/etc/passwd', '..%2f..%2fetc/passwd';
is(get('/favicon.ico')->{status}, 200, 'the icon browsers ask for');
is(get('/assets/public/message.css')->{status}, 200, 'the dress of the short pages');

finish();
