/* Starts a task, finishes it, and prints its id. */
#include <quell/quell.h>
#include <stdio.h>

int main(void) {
  quell_task_options options = QUELL_TASK_OPTIONS_INIT;
  options.action = "consumer/c";
  quell_task* task = quell_task_start(&options);
  char id[64] = "";
  size_t length = quell_task_id(task, id, sizeof(id));
  quell_task_progress(task, 1, 1, "step");
  puts(id);
  quell_task_finish(task, QUELL_SUCCESS);
  quell_task_release(task);
  return length > 0 && length < sizeof(id) && !quell_task_cancelled(NULL) ? 0 : 1;
}
