       ID DIVISION.
       PROGRAM-ID. COOKIES.
       DATA DIVISION.
       WORKING-STORAGE SECTION.
       01 N PIC 9(3).
       PROCEDURE DIVISION.
           ACCEPT N.
           IF N > 10 DISPLAY "HIGH"
           ELSE DISPLAY "LOW" END-IF.
           GOBACK.
