// Starts a task, finishes it, and prints its id.
#include <iostream>
#include <quell/task.hpp>

int main() {
  quell::Task task("consumer/cc");
  task.throw_if_cancelled();
  task.progress(1, 1);
  std::cout << task.id() << std::endl;
  return task.tracked() ? 0 : 1;
}
