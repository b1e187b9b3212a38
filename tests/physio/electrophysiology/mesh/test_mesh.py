"""A mesh refuses arrays that do not fit, and its problems are found and mended."""

from dataclasses import replace

import numpy as np
import pytest

from physio.electrophysiology.anatomy.shapes import Atrium, LeftVentricle, Slab
from physio.electrophysiology.mesh import geometry
from physio.electrophysiology.mesh.check import check, repair
from physio.electrophysiology.mesh.mesh import Mesh
from physio.electrophysiology.mesh.order import by_locality, restored
from physio.electrophysiology.mesh.report import describe, figures

SLAB = Slab(4.0, 3.0, 2.0).as_mesh(1.0)
TETRA = SLAB.elements["tetra"]


def names(mesh: Mesh) -> dict[str, int]:
    return {problem.name: problem.count for problem in check(mesh)}


def with_tetra(corners: np.ndarray) -> Mesh:
    return Mesh(nodes=SLAB.nodes, elements={"tetra": corners})


def test_a_sound_mesh_has_no_problems():
    assert check(SLAB) == []
    assert check(LeftVentricle().as_mesh(4.0)) == []
    assert check(Atrium().as_mesh(4.0)) == []


def test_volumes_and_areas_are_those_of_the_box():
    # sums of a few hundred products of numbers near 1
    assert SLAB.measures("tetra").sum() == pytest.approx(24.0, rel=1e-12)
    faces = SLAB.surface()
    assert geometry.measures(SLAB.nodes, faces).sum() == pytest.approx(52.0, rel=1e-12)
    # outwards: the divergence theorem gives the volume with its sign
    a, b, c = (SLAB.nodes[faces[:, k]] for k in range(3))
    flux = np.einsum("ij,ij->i", a, geometry.cross(b, c)).sum() / 6.0
    assert flux == pytest.approx(24.0, rel=1e-12)
    assert figures(SLAB)["components"] == 1
    # every edge of the grid: 5 x 4 x 3 nodes with Kuhn's diagonals
    assert len(SLAB.edges()) == len({tuple(e) for e in SLAB.edges().tolist()})
    angles = geometry.dihedral_angles(SLAB.nodes, TETRA)
    assert angles.min() == pytest.approx(45.0) and angles.max() == pytest.approx(90.0)


def test_a_hexahedron_has_its_volume():
    cube = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    corners = np.array([[0, 4, 6, 2, 1, 5, 7, 3]], dtype=np.int32)
    mesh = Mesh(nodes=cube * [1, 2, 3], elements={"hexahedron": corners})
    assert mesh.measures("hexahedron") == pytest.approx([6.0])
    assert len(mesh.edges()) == 12


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nodes": np.zeros((3, 2))}, "give \\(n_node, 3\\)"),
        ({"elements": {"quad": np.zeros((1, 4), np.int32)}}, "got 'quad'"),
        ({"elements": {"tetra": np.zeros((1, 3), np.int32)}}, "\\(n_elem, 4\\)"),
        ({"elements": {"tetra": TETRA + 1}}, "Count nodes from 0"),
        ({"elements": {"tetra": TETRA.astype(float)}}, "whole numbers"),
        ({"fibres": {"tetra": np.ones((3, 3))}}, "3 rows for 144 elements"),
        ({"fibres": {"tetra": np.ones((144, 2))}}, "\\(n_elem, 3\\)"),
        ({"sheets": {"line": np.ones((3, 3))}}, "has no elements"),
        ({"regions": {"tetra": np.zeros(7, np.int32)}}, "7 rows for 144"),
        ({"point_fields": {"uvc": np.zeros(5)}}, "'uvc' has shape"),
        ({"cell_fields": {"x": {"tetra": np.zeros(5)}}}, "cell field 'x' hold 5"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        replace(SLAB, **changes)


def broken(kind: str) -> Mesh:
    """The slab with one fault."""
    corners, nodes = TETRA.copy(), SLAB.nodes.copy()
    if kind == "coordinates":
        nodes[7, 1] = np.nan
    elif kind == "unreferenced nodes":
        nodes = np.concatenate([nodes, [[1.5, 1.5, 1.5], [9.0, 0.0, 0.0]]])
    elif kind == "inverted":
        corners[[4, 9]] = corners[[4, 9]][:, [1, 0, 2, 3]]
    elif kind == "degenerate":
        corners[3, 1] = corners[3, 0]
        return replace(with_tetra(corners), nodes=nodes)
    elif kind == "duplicate elements":
        corners = np.concatenate([corners, corners[:2][:, [1, 0, 3, 2]]])
    elif kind == "overlap":
        extra = [*geometry.boundary_faces(corners)[0], len(nodes), len(nodes) + 1]
        nodes = np.concatenate([nodes, [[-1.0, 1, 1], [-2.0, 1, 1]]])
        faces = [[*extra[:3], extra[3]], [*extra[:3], extra[4]]]
        corners = np.concatenate([corners, np.array(faces, np.int32)])
    elif kind == "pieces":
        nodes = np.concatenate([nodes, nodes + [0.0, 0.0, 7.0]])
        corners = np.concatenate([corners, corners + SLAB.n_node])
    elif kind == "duplicate nodes":
        nodes = np.concatenate([nodes, nodes[:3]])
        corners[0][corners[0] == 0] = SLAB.n_node
        corners[-1, 0] = corners[-1, 0]
    return Mesh(nodes=nodes, elements={"tetra": corners})


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ("coordinates", 1),
        ("unreferenced nodes", 2),
        ("inverted", 2),
        ("degenerate", 1),
        ("duplicate elements", 2),
        ("overlap", 1),
        ("pieces", 2),
        ("duplicate nodes", 3),
    ],
)
def test_each_fault_is_found_with_its_place(kind, count):
    found = {p.name: p for p in check(broken(kind))}
    assert found[kind].count == count
    assert found[kind].advice and any(c.isdigit() for c in found[kind].where)


def test_a_flat_tetrahedron_is_degenerate_and_a_thin_one_is_not():
    nodes = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0.3, 0.3, 0.0]])
    corners = np.array([[0, 1, 2, 3]], dtype=np.int32)
    assert names(Mesh(nodes=nodes, elements={"tetra": corners})) == {"degenerate": 1}
    nodes[3, 2] = 1e-3  # volume 1.7e-4 of the longest edge cubed, allowed from 1e-5
    assert names(Mesh(nodes=nodes, elements={"tetra": corners})) == {}


def test_layers_joined_by_lines_are_no_duplicates():
    sheet = Atrium().as_mesh(8.0)
    n_node = sheet.n_node
    corners = sheet.elements["triangle"]
    twice = {
        "nodes": np.concatenate([sheet.nodes, sheet.nodes]),
        "elements": {"triangle": np.concatenate([corners, corners + n_node])},
    }
    assert names(Mesh(**twice)) == {"duplicate nodes": n_node, "pieces": 2}
    links = np.stack([np.arange(n_node), np.arange(n_node) + n_node], axis=1)
    twice["elements"]["line"] = links.astype(np.int32)
    layered = Mesh(**twice)
    assert names(layered) == {}
    assert repair(layered)[1] == []


def test_triangles_beside_tetrahedra_are_labels():
    faces = SLAB.surface()
    both = np.concatenate([faces, faces])  # one face, two named surfaces
    mesh = Mesh(nodes=SLAB.nodes, elements={"tetra": TETRA, "triangle": both[:-3]})
    assert check(mesh) == [] and mesh.tissue == ("tetra",)


def test_surfaces_open_and_branching():
    whole = Atrium().as_mesh(5.0)
    corners = whole.elements["triangle"]
    gap = whole.only({"triangle": np.arange(len(corners)) > 0})
    assert names(gap) == {"open surface": 3}
    fin = np.concatenate([corners, [[corners[0, 0], corners[0, 1], whole.n_node]]])
    nodes = np.concatenate([whole.nodes, [[60.0, 0.0, 0.0]]])
    found = names(Mesh(nodes=nodes, elements={"triangle": fin.astype(np.int32)}))
    assert found == {"open surface": 2, "non-manifold edges": 1}


@pytest.mark.parametrize("field", ["fibres", "sheets"])
def test_directions_are_checked_and_rescaled(field):
    given = SLAB.fibres["tetra"].copy()
    given[5] *= 2.0
    given[6] = 0.0
    given[7, 0] = np.nan
    given[8] *= 1.0 + 5e-4  # printed with few digits: as good as unit length
    mesh = replace(SLAB, **{field: {"tetra": given}})
    word = field[:-1]
    assert names(mesh) == {f"{word} length": 1, "directions": 2}
    mended, said = repair(mesh)
    assert names(mended) == {"directions": 2}  # no direction can be made up
    assert said == [f"Rescaled 1 {word}."]
    assert np.linalg.norm(getattr(mended, field)["tetra"][5]) == pytest.approx(1.0)


def test_repair_mends_what_it_can_and_says_so():
    for kind in ("inverted", "degenerate", "duplicate elements", "unreferenced nodes"):
        mended, said = repair(broken(kind))
        assert names(mended) == {}, kind
        assert len(said) == 1 and any(c.isdigit() for c in said[0])
    turned, _ = repair(broken("inverted"))
    assert turned.measures("tetra").sum() == pytest.approx(24.0)
    merged, said = repair(broken("duplicate nodes"))
    assert names(merged) == {} and merged.n_node == SLAB.n_node
    assert merged.measures("tetra").sum() == pytest.approx(24.0)
    # pieces are only dropped when asked
    pieces = broken("pieces")
    assert names(repair(pieces)[0]) == {"pieces": 2}
    largest, said = repair(pieces, ["pieces"])
    assert names(largest) == {} and said == [
        "Kept the largest piece, 50.0 % of the nodes."
    ]
    assert repair(SLAB) == (SLAB, [])
    with pytest.raises(ValueError, match="cannot mend 'holes'"):
        repair(SLAB, ["holes"])


def test_only_keeps_what_belongs_to_the_elements():
    regions = np.arange(len(TETRA), dtype=np.int32)
    mesh = replace(
        SLAB, regions={"tetra": regions}, cell_fields={"n": {"tetra": regions}}
    )
    part = mesh.only({"tetra": regions % 2 == 1}).without_unused_nodes()
    assert (part.regions["tetra"] == regions[1::2]).all()
    assert (part.cell_fields["n"]["tetra"] == regions[1::2]).all()
    assert part.fibres["tetra"].shape == (72, 3)
    np.testing.assert_array_equal(
        part.centroids("tetra"), mesh.centroids("tetra")[1::2]
    )
    np.testing.assert_array_equal(
        part.point_fields["transmural"] * 2.0, part.nodes[:, 2]
    )


def test_rows_of_large_numbers_keep_apart():
    rows = np.array([[2**31 - 1, 5, 2**31 - 2, 7], [7, 2**31 - 1, 5, 2**31 - 2]])
    rows = np.concatenate([rows, rows[:1] - [[1, 0, 0, 0]]])
    first, which, counts = geometry.unique_rows(rows)
    assert which[0] == which[1] != which[2]
    assert sorted(counts) == [1, 2] and len(first) == 2


def test_neighbours_are_numbered_alike_and_put_back():
    """A scrambled mesh: its edges span less, and everything goes back to its place."""
    sound = LeftVentricle().as_mesh(9.0)
    scrambled = restored(sound, np.random.default_rng(0).permutation(sound.n_node))
    ordered, order = by_locality(scrambled)

    def span(mesh):
        return np.abs(np.diff(mesh.edges(), axis=1)).mean()

    assert span(ordered) < 0.25 * span(scrambled)  # a few hundred nodes
    assert (ordered.nodes == scrambled.nodes[order]).all()
    assert np.allclose(ordered.measures("tetra"), scrambled.measures("tetra"))
    back = restored(ordered, order)
    assert (back.nodes == scrambled.nodes).all()
    assert (back.elements["tetra"] == scrambled.elements["tetra"]).all()
    assert set(back.point_fields) == set(sound.point_fields) != set()
    for name, values in back.point_fields.items():
        assert np.array_equal(values, scrambled.point_fields[name], equal_nan=True)
    assert not (restored(ordered, order[::-1]).nodes == scrambled.nodes).all()


def test_describe_says_what_a_planner_checks():
    mesh = LeftVentricle().as_mesh(4.0)
    text = describe(mesh)
    size = "60.0 x 59.9 x 70.2 mm"
    for words in (size, "mm, generated", "region 1:", "mL", "no problems"):
        assert words in text
    found = figures(mesh)
    volume = found["regions"]["tetra"]["1"]["size"]
    # muscle of the exact shape is 87.5 mL; chords of 4 mm cut some of it off
    assert volume == pytest.approx(87.5, rel=0.05)
    assert "problem: 2 nodes" in describe(broken("unreferenced nodes"))
    empty = Mesh(nodes=np.zeros((0, 3)), elements={})
    assert figures(empty)["components"] == 0 and "0 nodes" in describe(empty)


def test_the_real_heart(shared_data):
    folder = shared_data("rodero01_four_chamber")
    with np.load(folder / "rodero_01_fullheart_2.0mm.npz") as data:
        mesh = Mesh(
            nodes=data["points_mm"],
            elements={"tetra": data["tets"]},
            regions={"tetra": data["tet_volume_id"].astype(np.int32)},
        )
    found = figures(mesh)
    # PROVENANCE.md gives volumes (mL) to one digit after the point
    wanted = {"1": 125.8, "2": 62.1, "7": 38.3, "3": 26.1, "4": 28.5}
    sizes = {k: v["size"] for k, v in found["regions"]["tetra"].items()}
    assert {k: round(sizes[k], 1) for k in wanted} == wanted
    assert names(mesh) == {"unreferenced nodes": 13}
    assert names(repair(mesh)[0]) == {}
