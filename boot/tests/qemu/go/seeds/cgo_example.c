#include <stdlib.h>
#include <string.h>

char* get_string() {
    char* s = malloc(100);
    strcpy(s, "hello world");
    return s;
}
