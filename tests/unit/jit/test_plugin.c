/* SPDX-License-Identifier: MIT */
/* Plug-ins that are none, are of another time, refuse, or get what was asked:
 * made by the compiler that made this, as a user would. */
#include <unistd.h>

#include "fake_vcpu.h"

#define HEAD                                                    \
    "#include <stddef.h>\n#include <string.h>\n"                \
    "struct arg { const char *key, *value; };\n"                \
    "struct args { unsigned count; const struct arg *arg; };\n" \
    "extern void error_setg(void *errp, const char *fmt, ...);\n"

static char folder[] = "/tmp/xbar-plugin-XXXXXX";

/* Return: the spec's file; false, if there is no compiler here. */
static bool make(const char *name, const char *source, char *path, size_t size)
{
    char command[512];
    FILE *compiler;

    snprintf(path, size, "%s/%s.so", folder, name);
    snprintf(command, sizeof(command),
             "cc -w -shared -fPIC -x c -o %s - 2>/dev/null", path);
    compiler = popen(command, "w");
    if (compiler == NULL) {
        return false;
    }
    fputs(source, compiler);
    return pclose(compiler) == 0;
}

static void assert_refused(const char *spec, const char *wanted)
{
    struct fake *fake = fake_open();
    Error *err = NULL;

    assert_null(xbar_plugin_load(fake->hub, spec, &err));
    assert_non_null(err);
    if (strstr(error_get_pretty(err), wanted) == NULL) {
        print_error("%s\n", error_get_pretty(err));
    }
    assert_non_null(strstr(error_get_pretty(err), wanted));
    error_free(err);
    assert_null(xbar_plugin_load(fake->hub, spec, NULL));
    fake_close(fake);
}

static void test_what_is_none(void **state)
{
    char path[128];

    (void)state;
    assert_refused("/nowhere/none.so", "/nowhere/none.so");
    assert_refused("/nowhere/none.so,=1", "an option without a name");
    assert_refused("/nowhere/none.so,,x=1", "none.so,x=1");
    assert_refused("/nowhere/none.so,a=1,", "an option without a name");
    assert_refused("", "cannot be loaded");
    if (!make("empty", "int nothing;", path, sizeof(path))) {
        skip();
    }
    assert_refused(path, "it has no xbar_plugin_entry_1");
    assert_true(make("future", "int xbar_plugin_entry_7(void){return 0;}", path,
                     sizeof(path)));
    assert_refused(path, "was built for version 7 of the plug-in interface, "
                         "and this is version 1");
    assert_true(make("sulky", "int xbar_plugin_entry_1(void){return 1;}", path,
                     sizeof(path)));
    assert_refused(path, "refuses to start");
}

static void test_arguments(void **state)
{
    struct fake *fake = fake_open();
    char path[128];
    char spec[256];
    struct xbar_plugin *plugin;
    Error *err = NULL;

    (void)state;
    if (!make("args",
              HEAD
              "int xbar_plugin_entry_1(void *hub, const struct args *args,"
              " void *errp) { return !hub || args->count != 3 ||"
              " strcmp(args->arg[0].key, \"a\") ||"
              " strcmp(args->arg[0].value, \"1,2=3\") ||"
              " strcmp(args->arg[1].key, \"flag\") || *args->arg[1].value ||"
              " strcmp(args->arg[2].value, \"x\"); }",
              path, sizeof(path))) {
        fake_close(fake);
        skip();
    }
    snprintf(spec, sizeof(spec), "%s,a=1,,2=3,flag,z=x", path);
    plugin = xbar_plugin_load(fake->hub, spec, &err);
    assert_null(err);
    assert_non_null(plugin);
    xbar_plugin_unload(plugin);
    xbar_plugin_unload(NULL);
    for (int i = 1; i <= 2; i++) {
        fake->fail_at = i;
        assert_null(xbar_plugin_load(fake->hub, spec, NULL));
    }
    fake_close(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_none),
        cmocka_unit_test(test_arguments),
    };
    char command[64];
    int failed;

    if (mkdtemp(folder) == NULL) {
        return 1;
    }
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command) == 0 ? failed : 1;
}
