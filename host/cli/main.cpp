#include "host/cli/command.hpp"

int main(int argc, char** argv) { return multibuffer::cli::run(argc, argv); }
