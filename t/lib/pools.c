/* For the thread checker, which does not see into APR and httpd: they are not built with it. Preloaded, this makes each
 * use of a pool that changes it a write that the checker sees, so that two threads that allocate in the same pool with
 * no lock between them are found. */

#include <dlfcn.h>
#include <stdarg.h>
#include <apr_pools.h>
#include <apr_strings.h>

void __tsan_acquire(void *address);
void __tsan_release(void *address);

#define REAL(name) ((__typeof__(&name))real(&name##_is, #name))

static void *real(void **known, const char *name)
{
    void *f = __atomic_load_n(known, __ATOMIC_RELAXED);

    if (!f) {
        f = dlsym(RTLD_NEXT, name);
        __atomic_store_n(known, f, __ATOMIC_RELAXED);
    }
    return f;
}

/* The first byte is of the parent's address, which stays as it is. Whoever used the pool before it was cleared is
 * through with it: httpd hands pools from one thread to the next in ways that the checker does not see. */
static void touch(apr_pool_t *p)
{
    volatile char *first = (volatile char *)p;

    __tsan_acquire(p);
    *first = *first;
}

void *apr_palloc(apr_pool_t *p, apr_size_t size)
{
    static void *apr_palloc_is;

    touch(p);
    return REAL(apr_palloc)(p, size);
}

char *apr_pvsprintf(apr_pool_t *p, const char *format, va_list args)
{
    static void *apr_pvsprintf_is;

    touch(p);
    return REAL(apr_pvsprintf)(p, format, args);
}

void apr_pool_cleanup_register(apr_pool_t *p, const void *data, apr_status_t (*plain)(void *),
                               apr_status_t (*child)(void *))
{
    static void *apr_pool_cleanup_register_is;

    touch(p);
    REAL(apr_pool_cleanup_register)(p, data, plain, child);
}

void apr_pool_clear(apr_pool_t *p)
{
    static void *apr_pool_clear_is;

    touch(p);
    REAL(apr_pool_clear)(p);
    __tsan_release(p);
}

void apr_pool_destroy(apr_pool_t *p)
{
    static void *apr_pool_destroy_is;

    touch(p);
    __tsan_release(p); /* its memory may be another thread's when it is done */
    REAL(apr_pool_destroy)(p);
}
