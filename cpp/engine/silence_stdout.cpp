// The library prints while it loads a model of several files, callbacks or not. Standard output
// belongs to the program that draws, so the linker's --wrap sends those calls here.

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,cert-*)
int __wrap_printf(const char* /*format*/, ...) { return 0; }
int __wrap_puts(const char* /*text*/) { return 0; }
int __wrap_putchar(int character) { return character; }
// NOLINTEND(bugprone-reserved-identifier,cert-*)
}
