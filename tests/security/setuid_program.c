// A program of the host's root, set-user-id: it shows a file that only root may read, to whoever has become root by it.
#include "attacks/attack.h"

ATTACK { show_file(text("file")); }
