#ifndef SHARDMILL_KERNEL_H
#define SHARDMILL_KERNEL_H

/*
 * The contract between shardmill and its map/reduce kernels, in plain C. Built-in kernels and
 * plug-ins use the same table; kernel.hpp wraps it for C++. See README.md beside this file.
 *
 * Life of a kernel in one job:
 *
 *     open                       once, when the command is read: arguments are checked here
 *       start                    once for each worker (and for each partial that is loaded)
 *         map map map ...        blocks of matching items, on that worker's thread
 *         save / load            a partial as bytes, to be merged elsewhere
 *       merge                    partials pairwise, in any order and any grouping
 *       finish                   on the last one: emits the rows
 *       drop                     every partial, merged ones included
 *     close                      once
 *
 * Threads: a state (open's result) is shared by all workers and must not change after open. A
 * partial is used by one thread at a time, not always the same one. No call is made on a thread
 * that serves requests.
 *
 * Lifetimes: everything passed in by pointer dies when the call returns; a kernel copies what it
 * keeps.
 *
 * Failing: calls that return int return 0 for success. Anything else ends the whole job with the
 * text left in the error. A kernel never answers less than it was asked for: what it cannot do is a
 * failure. It must not throw through this table, exit, or wait for anything. A single item that
 * cannot be worked on is no reason to fail: shardmill_host.fail counts it.
 */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Changes with every incompatible change of this file. Both sides compare it and refuse others.
 *   1  the first
 *   2  items have marks and a frequency, hosts count failed items, rows have flags and a deadline
 */
#define SHARDMILL_KERNEL_ABI 2u

/* The symbol a plug-in exports, of type shardmill_kernel_library_function. */
#define SHARDMILL_KERNEL_ENTRY "shardmill_kernels"

enum shardmill_value_kind {
    SHARDMILL_NULL = 0,     /* missing field, JSON null, or a field that is an object or array */
    SHARDMILL_BOOL = 1,     /* integer: 0 or 1 */
    SHARDMILL_INT = 2,      /* integer */
    SHARDMILL_UNSIGNED = 3, /* unsigned_integer, only for those above INT64_MAX */
    SHARDMILL_DOUBLE = 4,   /* number, finite */
    SHARDMILL_STRING = 5,   /* bytes, bytes_count: a JSON string (unescaped) or a literal */
    SHARDMILL_TEXT = 6      /* bytes, bytes_count: a piece of a key or of a plain value; counts as a
                               number where one is asked for and the whole of it is one */
};

/* What an expression gave for one item. */
typedef struct shardmill_value {
    union {
        int64_t integer;
        uint64_t unsigned_integer;
        double number;
        const char* bytes;
    };
    uint32_t bytes_count;
    uint32_t kind; /* enum shardmill_value_kind */
} shardmill_value;

enum shardmill_item_marks {
    SHARDMILL_ITEM_FETCHED = 1, /* was read by a client since it was stored */
    SHARDMILL_ITEM_STALE = 2,   /* marked stale by a client (meta commands) */
    SHARDMILL_ITEM_WON = 4      /* somebody was told to make it anew (meta commands) */
};

/* One item. Key and value lie in memory that is held still during the call. What the index knows of
 * its use (last_access, frequency, all of SHARDMILL_ITEM_FETCHED) costs a look-up for every item
 * and is there only for kernels with SHARDMILL_KERNEL_USES_ACCESS; it is of the moment of the
 * look-up, not of the job's, and not known of an item that was replaced or moved since the job
 * began. */
typedef struct shardmill_item {
    const char* key;
    const char* value;
    uint32_t key_bytes;
    uint32_t value_bytes;
    uint32_t client_flags;
    uint32_t exptime;     /* unix seconds, 0: never expires */
    uint32_t last_access; /* unix seconds, 0: not known */
    uint16_t marks;       /* enum shardmill_item_marks */
    uint16_t frequency;   /* 0 to 3: accesses since it was stored or last moved, at most 3 */
    uint64_t cas;
} shardmill_item;

/* A block of items that passed all filters. columns[a] belongs to the kernel's argument a: NULL
 * unless that is an expression, else one value for each item. */
typedef struct shardmill_block {
    const shardmill_item* items;
    const shardmill_value* const* columns;
    uint32_t count;
    uint32_t column_count;
    uint32_t now; /* unix seconds of the moment the job looks at */
    uint32_t reserved;
} shardmill_block;

enum shardmill_argument_kind {
    SHARDMILL_ARGUMENT_LITERAL = 0,   /* a number, true, false or a 'string': in `value` */
    SHARDMILL_ARGUMENT_EXPRESSION = 1 /* evaluated by the host for every item */
};

typedef struct shardmill_argument {
    uint32_t kind; /* enum shardmill_argument_kind */
    uint32_t text_bytes;
    const char* text; /* as written */
    shardmill_value value;
} shardmill_argument;

#define SHARDMILL_ERROR_TEXT_BYTES 248

/* Filled by the kernel when a call fails. */
typedef struct shardmill_error {
    uint32_t argument; /* open: which argument is wrong, counted from 1; 0: none in particular */
    uint32_t reserved;
    char text[SHARDMILL_ERROR_TEXT_BYTES]; /* one line, zero-terminated, without a full stop */
} shardmill_error;

/* What open gives back. */
typedef struct shardmill_opened {
    void* state;
    const char* const*
        columns; /* names of the result's columns, zero-terminated; owned by the state */
    uint32_t column_count;
    uint32_t reserved;
} shardmill_opened;

/* The server's side of one partial. Valid until that partial is dropped. */
typedef struct shardmill_host {
    uint32_t abi;
    uint32_t table_bytes;
    void* context;
    /* Memory and result rows the partial is going to hold more (or fewer, negative). To be called
     * before the memory is taken, in steps of the kernel's choice; not 0: a bound of the job is
     * reached, do not take it, return failure. What is still held when the partial is dropped is
     * given back by the host. */
    int (*account)(void* context, int64_t bytes, int64_t rows);
    /* Item `index` of the block at hand cannot be worked on, for the reason in `text` (one line,
     * copied). It is counted as failed, once, and the kernel goes on with the next one; what the
     * job does about failed items (`errors=`) is the server's business. During map only. */
    void (*fail)(void* context, uint32_t index, const char* text);
} shardmill_host;

/* One row of the result. */
typedef struct shardmill_row {
    const char* key;
    size_t key_bytes;
    const char*
        value; /* the row's value as it is; NULL: the host writes one JSON object of the columns */
    size_t value_bytes;
    const shardmill_value*
        columns;           /* one for each column named by open; NULL only if there are none */
    uint32_t client_flags; /* of the row as an item */
    uint32_t exptime;      /* unix seconds; 0: never expires */
} shardmill_row;

/* Both return 0, or something else when the caller must give up and return failure. */
typedef int (*shardmill_write_function)(void* context, const char* bytes, size_t count);
typedef int (*shardmill_emit_function)(void* context, const shardmill_row* row);

enum shardmill_kernel_flags {
    /* finish emits the rows in the order they should be shown in. Otherwise they are sorted by key.
     */
    SHARDMILL_KERNEL_ORDERED = 1,
    /* The kernel looks at last_access, frequency or SHARDMILL_ITEM_FETCHED. */
    SHARDMILL_KERNEL_USES_ACCESS = 2,
    /* The kernel looks at no value itself; its arguments still may. */
    SHARDMILL_KERNEL_NO_VALUES = 4
};

typedef struct shardmill_kernel {
    uint32_t abi;            /* SHARDMILL_KERNEL_ABI */
    uint32_t table_bytes;    /* sizeof(shardmill_kernel) */
    const char* name;        /* a-z, 0-9 and _, beginning with a letter, at most 32 bytes */
    const char* arguments;   /* for people: "[:<expr>]" */
    const char* description; /* one line */
    uint64_t flags;          /* enum shardmill_kernel_flags */

    int (*open)(const shardmill_argument* arguments, size_t count, shardmill_opened* opened,
                shardmill_error* error);
    void (*close)(void* state);

    int (*start)(void* state, const shardmill_host* host, void** partial, shardmill_error* error);
    int (*map)(void* partial, const shardmill_block* block, shardmill_error* error);
    /* Adds `from` to `into`; both come from the same state. `from` may be emptied and is only
     * dropped afterwards. */
    int (*merge)(void* into, void* from, shardmill_error* error);
    /* The partial as bytes, and such bytes added to a partial. load must withstand any bytes. */
    int (*save)(void* partial, shardmill_write_function write, void* context,
                shardmill_error* error);
    int (*load)(void* partial, const char* bytes, size_t count, shardmill_error* error);
    int (*finish)(void* partial, shardmill_emit_function emit, void* context,
                  shardmill_error* error);
    void (*drop)(void* partial);
} shardmill_kernel;

/* What a plug-in's entry returns: static data. `abi` stays the first field in every version. */
typedef struct shardmill_kernel_library {
    uint32_t abi;
    uint32_t count;
    const shardmill_kernel* const* kernels;
} shardmill_kernel_library;

typedef const shardmill_kernel_library* (*shardmill_kernel_library_function)(void);

#ifdef __cplusplus
}
#endif

#endif /* SHARDMILL_KERNEL_H */
