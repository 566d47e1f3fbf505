from singleshot.data.memory import free_in_cgroups, free_memory, free_on_machine


def limit(folder, names, numbers, stat):
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in zip(names, numbers, strict=True):
        (folder / name).write_text(f"{number}\n")
    (folder / "memory.stat").write_text(stat)


def test_a_container_has_what_its_limit_leaves_and_files_can_be_forgotten(tmp_path):
    names = ("memory.max", "memory.current")
    limit(tmp_path / "box", names, (1000, 700), "anon 500\ninactive_file 200\n")
    assert list(free_in_cgroups(tmp_path, ["/box"])) == [500]


def test_the_limit_of_a_group_around_it_counts(tmp_path):
    names = ("memory.max", "memory.current")
    limit(tmp_path / "box", names, (1000, 900), "inactive_file 0\n")
    limit(tmp_path / "box/inner", names, ("max", 100), "inactive_file 0\n")
    assert list(free_in_cgroups(tmp_path, ["/box/inner"])) == [100]


def test_the_first_version_of_control_groups_is_read_too(tmp_path):
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limit(tmp_path / "memory/job", names, (800, 300), "total_inactive_file 100\n")
    assert list(free_in_cgroups(tmp_path, ["/job"])) == [600]


def test_a_program_has_no_more_than_the_machine():
    assert 0 < free_memory() <= 1.1 * free_on_machine()
