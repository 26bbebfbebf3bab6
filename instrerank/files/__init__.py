"""Files in and out: UTF-8 or a clear error, gzip by suffix, whole files or none, `-` for the standard streams."""

from instrerank.files.data import parse_json, read_json_file, read_yaml_file
from instrerank.files.places import cache_folder, expanded, is_standard_stream, is_stream
from instrerank.files.reading import read_blocks, read_lines, sha256
from instrerank.files.writing import check_writable, one_process, partial_path, remove_abandoned, whole_file

__all__ = [
    "cache_folder",
    "check_writable",
    "expanded",
    "is_standard_stream",
    "is_stream",
    "one_process",
    "parse_json",
    "partial_path",
    "read_blocks",
    "read_json_file",
    "read_lines",
    "read_yaml_file",
    "remove_abandoned",
    "sha256",
    "whole_file",
]
