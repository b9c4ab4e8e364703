#!/bin/sh
# Runs Shortcut with the Java that lies beside this script. Works from any folder and through symbolic links.
set -eu

folder_of() {
  case $1 in
    */*) printf '%s\n' "${1%/*}" ;;
    *) printf '.\n' ;;
  esac
}

file=$0
while [ -L "$file" ]; do
  link=$(readlink "$file")
  case $link in
    /*) file=$link ;;
    *) file=$(folder_of "$file")/$link ;;
  esac
done
here=$(cd "$(folder_of "$file")" && pwd -P)

exec "$here/runtime/bin/java" -Djava.awt.headless=true \
  --enable-native-access=dev.shortcut.bindings,dev.shortcut.engine,org.jline.nativ \
  --module-path "$here/lib" --add-modules ALL-MODULE-PATH \
  --module dev.shortcut.resnet/dev.shortcut.resnet.cli.Main "$@"
