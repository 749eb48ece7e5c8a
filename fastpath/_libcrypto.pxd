# cython: language_level=3
"""OpenSSL as Python has loaded it: a handle by which functions are found by name.

Law. Only what is loaded already is used (RTLD_NOLOAD), so nothing is linked, no header is needed,
and no second copy of the library ever comes in. NULL where there is none, as with a Python whose
OpenSSL is built in. Who finds a function here has to prove, before it is used, that it computes
what it is taken for. Source: dlopen(3).
"""

cdef extern from "dlfcn.h" nogil:
    void* dlopen(const char* name, int flags)
    void* dlsym(void* handle, const char* name)
    int RTLD_LAZY
    int RTLD_NOLOAD


cdef inline void* loaded_library() noexcept:
    """The library's handle, or NULL."""
    cdef void* library = dlopen(b"libcrypto.so.3", RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL:
        library = dlopen(b"libcrypto.so.1.1", RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL:
        library = dlopen(b"libcrypto.3.dylib", RTLD_LAZY | RTLD_NOLOAD)
    return library
