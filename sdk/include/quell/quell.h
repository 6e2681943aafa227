/* Quell for programs: the C interface. A program says which work it does, hears when somebody wants
 * that work stopped, and says how it ended.
 *
 * Rules for all of it:
 *  - Thread-safe, every function, also for one task from many threads.
 *  - Nothing waits for the network but the first start of a process, and that for at most 250 ms.
 *    Everything else is handed to one thread of the library's own.
 *  - The node daemon may be away: the work goes on, untracked; it is registered later, with its
 * true start time, once the daemon is back.
 *  - After fork(), the child's handles are inert (untracked, never cancelled); it may start tasks
 * of its own. At exit, what is finished but not yet told gets at most 250 ms; a task that is not
 * finished when its program ends, by exit() too, is lost.
 *  - What goes wrong harms neither the program nor its other tasks. Where no thread can be made the
 * work goes on untracked. Whoever wants to hear of it sets quell_on_error().
 *  - Texts are UTF-8 and end with a zero byte; they are copied before a call returns.
 *  - A NULL task is allowed everywhere and behaves as an untracked one.
 */
#ifndef QUELL_QUELL_H_
#define QUELL_QUELL_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define QUELL_API __attribute__((visibility("default")))
#else
#define QUELL_API
#endif

/* "MAJOR.MINOR.PATCH" of the library that is linked; never freed. */
QUELL_API const char* quell_version(void);

/* A task of this process. Counted: quell_task_start() gives the caller one reference. */
typedef struct quell_task quell_task;

/* Where work comes from: the task that caused it, with its chain of ancestors and its trace. */
typedef struct quell_context quell_context;

typedef enum quell_outcome {
  QUELL_SUCCESS = 0,
  QUELL_FAILURE = 1,
  QUELL_CANCELLED = 2,
  QUELL_TIMEOUT = 3
} quell_outcome;

/* Begin with QUELL_TASK_OPTIONS_INIT, then set what is needed:
 *
 *     quell_task_options options = QUELL_TASK_OPTIONS_INIT;
 *     options.action = "etl/load";
 *     quell_task* task = quell_task_start(&options);
 *     ...
 *     quell_task_release(task);
 */
typedef struct quell_task_options {
  size_t size; /* sizeof(quell_task_options) */
  const char*
      action; /* What sort of work, at most 128 bytes, few different ones: "index/rebuild". */
  const char* description;      /* This work in words, at most 4096 bytes. NULL: none. */
  const quell_context* context; /* NULL: the environment's (see quell_context_from_environment). */
  int uncancellable;            /* 1: a cancel is refused instead of delivered. */
  int cancel_on_parent_lost;    /* 1: cancelled when its parent, on the same node, is lost. */
} quell_task_options;
#define QUELL_TASK_OPTIONS_INIT \
  { sizeof(quell_task_options), NULL, NULL, NULL, 0, 0 }

/* Begins a task. Never NULL except for lack of memory. A text that is too long is cut. */
QUELL_API quell_task* quell_task_start(const quell_task_options* options);
/* The same, as a child of `parent`; options->context is ignored. */
QUELL_API quell_task* quell_task_start_child(quell_task* parent, const quell_task_options* options);

QUELL_API quell_task* quell_task_retain(quell_task* task);
/* The last release of a task that is not finished finishes it with QUELL_SUCCESS. */
QUELL_API void quell_task_release(quell_task* task);

/* The first one counts, further ones do nothing. */
QUELL_API void quell_task_finish(quell_task* task, quell_outcome outcome);

/* Writes "NODE:NUMBER" and a zero byte, as far as `capacity` goes. Returns the length it has
 * without the zero byte; 0 while the task is untracked. */
QUELL_API size_t quell_task_id(const quell_task* task, char* buffer, size_t capacity);

/* 1 once somebody wants it stopped and no shield holds. One atomic load, and a note of the time: a
 * program that never looks is shown as one that never looked. The node hears that the program knows
 * of its cancel when this has said 1, or a callback of quell_task_on_cancel() has run. */
QUELL_API int quell_task_cancelled(quell_task* task);

typedef struct quell_cancel {
  size_t size;  /* sizeof(quell_cancel) */
  char by[128]; /* Who asked; cut to fit, as are the others. */
  char reason[257];
  uint64_t grace_ms; /* From delivery to force; 0: no force. */
  int64_t at_ms;     /* When the node recorded it, since 1970. */
} quell_cancel;
/* 1 and the answer filled in, if quell_task_cancelled() would say 1; else 0. */
QUELL_API int quell_task_cancel_info(quell_task* task, quell_cancel* info);

/* Calls `fn(arg)` once, on the library's thread and under no lock, when the task is cancelled; at
 * once, inside this call, if it is already. `fn` must not block. An exception that leaves it ends
 * there, and is told to quell_on_error(). */
typedef struct quell_subscription quell_subscription;
QUELL_API quell_subscription* quell_task_on_cancel(quell_task* task, void (*fn)(void*), void* arg);
/* After it returns, `fn` does not run any more; it waits for one that is running on another thread.
 */
QUELL_API void quell_subscription_release(quell_subscription* subscription);

/* Cheap to call often: only the last value within 100 ms travels. */
QUELL_API void quell_task_progress(quell_task* task, uint64_t done, uint64_t total,
                                   const char* unit);
QUELL_API void quell_task_phase(quell_task* task, const char* phase);
/* One more member of the status: `json` is any JSON value. A text that is no JSON ("nan", say), and
 * one for which the status has no room (64 members, 16 KiB in all), leaves the status without this
 * member, and is told to quell_on_error(). */
QUELL_API void quell_task_field(quell_task* task, const char* name, const char* json);

/* Between begin and end a cancel is deferred, and everybody sees why. They nest. */
QUELL_API void quell_task_shield_begin(quell_task* task, const char* why);
QUELL_API void quell_task_shield_end(quell_task* task);

/* Counts the CPU time of the calling thread to the task, until the measure is ended: what a task
 * uses is shown only where its program measures it. Begin and end cost about a microsecond each;
 * figures travel with other reports, else about once a second, and the last ones with the end of
 * the task. A thread that measures for two tasks counts in both. */
typedef struct quell_measure quell_measure;
QUELL_API quell_measure* quell_task_measure_this_thread(quell_task* task);
/* Also on another thread. Of a thread that has ended before only what was told counts. */
QUELL_API void quell_measure_end(quell_measure* measure);

/* Contexts. NULL behaves as an empty one. */
QUELL_API quell_context* quell_task_context(const quell_task* task);
/* QUELL_TASK_ID, QUELL_ANCESTORS, QUELL_OPAQUE_ID, TRACEPARENT. */
QUELL_API quell_context* quell_context_from_environment(void);
/* From headers or metadata: `get(arg, name)` returns the value or NULL; what is malformed is
 * ignored. */
QUELL_API quell_context* quell_context_extract(const char* (*get)(void* arg, const char* name),
                                               void* arg);
/* To headers (names as "Quell-Task-Id"), metadata or an environment; see quell_carrier. */
typedef enum quell_carrier { QUELL_HTTP = 0, QUELL_GRPC = 1, QUELL_ENVIRONMENT = 2 } quell_carrier;
QUELL_API void quell_context_inject(const quell_context* context, quell_carrier carrier,
                                    void (*set)(void* arg, const char* name, const char* value),
                                    void* arg);
QUELL_API void quell_context_set_opaque_id(quell_context* context, const char* opaque_id);
QUELL_API void quell_context_free(quell_context* context);

/* Has `fn(arg, message)` called with what the library leaves out, and why, in words: a member of a
 * status, a parent that the node does not know, a task that it refuses, a callback that has thrown,
 * a thread that cannot be made. Each once, on any thread, under no lock. NULL, as at first: nobody
 * hears of it. */
QUELL_API void quell_on_error(void (*fn)(void* arg, const char* message), void* arg);

/* Waits until all that was said so far is told, at most `timeout_ms`. 1: told. For tests and for
 * programs that end by _exit(). */
QUELL_API int quell_flush(uint64_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* QUELL_QUELL_H_ */
