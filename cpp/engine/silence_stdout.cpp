// The library prints while it loads a model of several files, even with a log callback. Stdout
// belongs to the calling program, so the linker's --wrap redirects those calls to these functions.

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,cert-*)
int __wrap_printf(const char* /*format*/, ...) { return 0; }
int __wrap_puts(const char* /*text*/) { return 0; }
int __wrap_putchar(int character) { return character; }
// NOLINTEND(bugprone-reserved-identifier,cert-*)
}
