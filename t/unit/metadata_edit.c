/* What an operator may set for a state's reports: judged with the place of the fault, changed in part. */
#include "tap.h"
#include "report/sb_metadata_edit.h"

#define FOUR "#BB231C,#e4c904,#4a7500,#1b6ab0"
#define C "{\"bg_color\":\"#000\",\"text_color\":\"#ffffff\"}"

static const struct {
    const char *text, *why; /* NULL: good */
} texts[] = {
    {"{}", NULL},
    {"{\"min_cell_size\":30,\"branding\":{\"display\":\"N\xc3\xb6rd\",\"image\":\"/assets/ga.svg\","
     "\"higherEdLink\":\"https://example.org/a?b=c\"},\"subjects\":{\"Math\":{\"colors\":[" C "," C
     "," C "]},\"ELA\":{}}}",
     NULL},
    {"{\"min_cell_size\":null,\"branding\":null}", NULL},
    {"", "$: "},
    {"{\"min_cell_size\":", "$: "},
    {"[]", "$: want an object"},
    {"{\"min_cel_size\":10}",
     "$.min_cel_size: unknown; there are min_cell_size, top_bottom_coding, branding, subjects"},
    {"{\"min_cell_size\":0}", "$.min_cell_size: want a whole number from 1 to 1000"},
    {"{\"min_cell_size\":1001}", "$.min_cell_size: "},
    {"{\"top_bottom_coding\":21}", "$.top_bottom_coding: want a whole number from 1 to 20"},
    {"{\"top_bottom_coding\":5}", NULL},
    {"{\"min_cell_size\":\"10\"}", "$.min_cell_size: "},
    {"{\"min_cell_size\":1.5}", "$.min_cell_size: "},
    {"{\"branding\":[]}", "$.branding: want an object"},
    {"{\"branding\":{\"logo\":\"x\"}}", "$.branding.logo: unknown"},
    {"{\"branding\":{\"display\":\"\"}}", "$.branding.display: "},
    {"{\"branding\":{\"display\":\"a\\nb\"}}", "$.branding.display: "},
    {"{\"branding\":{\"display\":7}}", "$.branding.display: "},
    {"{\"branding\":{\"image\":\"https://example.org/a.png\"}}", "$.branding.image: "},
    {"{\"branding\":{\"image\":\"//example.org/a.png\"}}", "$.branding.image: "},
    {"{\"branding\":{\"image\":\"/a/../b.png\"}}", "$.branding.image: "},
    {"{\"branding\":{\"image\":\"/a.html\"}}", "$.branding.image: "},
    {"{\"branding\":{\"image\":\"/a.png\\u0000.html\"}}", "$.branding.image: "},
    {"{\"branding\":{\"higherEdLink\":\"javascript:alert(1)\"}}", "$.branding.higherEdLink: "},
    {"{\"branding\":{\"higherEdLink\":\"http://example.org/\"}}", "$.branding.higherEdLink: "},
    {"{\"branding\":{\"higherEdLink\":\"https://a b\"}}", "$.branding.higherEdLink: "},
    {"{\"subjects\":[]}", "$.subjects: want an object"},
    {"{\"subjects\":{\"Maths\":{}}}", "$.subjects.Maths: unknown; there are ELA, Math"},
    {"{\"subjects\":{\"Math\":{\"colours\":[]}}}", "$.subjects.Math.colours: unknown"},
    {"{\"subjects\":{\"Math\":{\"colors\":[" C "," C "]}}}", "$.subjects.Math.colors: want a list"},
    {"{\"subjects\":{\"Math\":{\"colors\":[" C "," C "," C "," C "," C "," C "," C "]}}}",
     "$.subjects.Math.colors: want a list of 3 to 6"},
    {"{\"subjects\":{\"ELA\":{\"colors\":[" C ",{\"bg_color\":\"#000\"}," C "]}}}",
     "$.subjects.ELA.colors[1].text_color: want a colour"},
    {"{\"subjects\":{\"ELA\":{\"colors\":[" C "," C ",{\"bg_color\":\"red\"}]}}}",
     "$.subjects.ELA.colors[2].bg_color: want a colour"},
    {"{\"subjects\":{\"ELA\":{\"colors\":[{\"bg_color\":\"#000\",\"text_color\":\"#fff\","
     "\"end_gradient_bg_color\":\"#12345\"}," C "," C "]}}}",
     "$.subjects.ELA.colors[0].end_gradient_bg_color: want a colour"},
    {"{\"a\\u001b[2J\":1}", "$.a?[2J: unknown"},
};

static const char *change(const char *text, const sb_metadata_change_t *c,
                          const apr_array_header_t *subjects, apr_pool_t *p)
{
    const char *out, *why = sb_metadata_change(&out, text, c, subjects, p);

    return why ? why : out;
}

int main(void)
{
    apr_pool_t *p = tap_pool();
    apr_array_header_t *subjects = apr_array_make(p, 2, sizeof(const char *));
    apr_array_header_t *colours = apr_array_make(p, 1, sizeof(sb_metadata_colours_t));
    sb_metadata_change_t c = {.min_cell = 25};
    sb_metadata_colours_t *math;
    const char *text;

    APR_ARRAY_PUSH(subjects, const char *) = "ELA";
    APR_ARRAY_PUSH(subjects, const char *) = "Math";
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *why = sb_metadata_judge(texts[i].text, strlen(texts[i].text), subjects, p);

        ok(texts[i].why ? why && !strncmp(why, texts[i].why, strlen(texts[i].why)) : !why,
           "%.60s: %s",
           i == sizeof(texts) / sizeof(texts[0]) - 1 ? "a name that would move a terminal"
                                                     : texts[i].text,
           why ? why : "good");
    }
    text = "{\"subjects\":{\"Science\":{\"colors\":[" C "," C "," C "]}}}";
    is_str(sb_metadata_judge(text, strlen(text), NULL, p), NULL,
           "any subject where they are not known");

    is_str(change(NULL, &c, subjects, p), "{\"min_cell_size\":25}", "the first setting");
    text =
        "{\"branding\":{\"display\":\"X\",\"image\":\"/a.png\"},\"min_cell_size\":10,\"subjects\":"
        "{\"ELA\":{\"colors\":[" C "," C "," C "]}}}";
    is_str(
        change(text, &c, subjects, p),
        "{\"min_cell_size\":25,\"branding\":{\"display\":\"X\",\"image\":\"/a.png\"},\"subjects\":"
        "{\"ELA\":{\"colors\":[" C "," C "," C "]}}}",
        "one of them: the others stay");
    memset(&c, 0, sizeof(c));
    c.display = "Y";
    c.image = "";
    math = apr_array_push(colours);
    math->subject = "Math";
    math->colours = "#fff, #123, #e4c904";
    c.colours = colours;
    is_str(change("{\"branding\":{\"display\":\"X\",\"image\":\"/a.png\"}}", &c, subjects, p),
           "{\"branding\":{\"display\":\"Y\"},\"subjects\":{\"Math\":{\"colors\":["
           "{\"text_color\":\"#000000\",\"bg_color\":\"#ffffff\",\"start_gradient_bg_color\":\"#"
           "ffffff\","
           "\"end_gradient_bg_color\":\"#ffffff\"},"
           "{\"text_color\":\"#ffffff\",\"bg_color\":\"#112233\",\"start_gradient_bg_color\":\"#"
           "112233\","
           "\"end_gradient_bg_color\":\"#112233\"},"
           "{\"text_color\":\"#000000\",\"bg_color\":\"#e4c904\",\"start_gradient_bg_color\":\"#"
           "e4c904\","
           "\"end_gradient_bg_color\":\"#e4c904\"}]}}}",
           "one replaced, one gone, colours with a text that can be read on them");
    math->colours = "#fff,#12,red";
    ok(strstr(change(NULL, &c, subjects, p), "$.subjects.Math.colors[1].bg_color: ") != NULL,
       "no colour");
    math->colours = FOUR;
    math->subject = "Art";
    ok(strstr(change(NULL, &c, subjects, p), "$.subjects.Art: unknown") != NULL, "no such subject");
    memset(&c, 0, sizeof(c));
    c.min_cell = 5;
    ok(strstr(change("{\"min_cell_size\":\"x\"}", &c, subjects, p), "replace it as a whole") !=
           NULL,
       "a part of what is wrong as a whole is refused");
    c.whole = "{\"min_cell_size\":7}";
    is_str(change("no JSON", &c, subjects, p), c.whole, "the whole of it is replaced as it is");
    return done();
}
